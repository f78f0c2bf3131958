import math

import pytest
import rustygrad
from rustygrad import optim
from rustygrad.errors import ArgumentError, ConversionError, LengthError, RustygradError
from rustygrad.reference import Value

np = pytest.importorskip("numpy")

GRADS = [0.5, -1.5, 2.0, 0.0]


def trajectory(make, start=2.0):
    """The numbers of one parameter under given gradients."""
    p = Value(start)
    optimiser = make([p])
    numbers = []
    for g in GRADS:
        p.grad = g
        optimiser.step()
        numbers.append(p.data)
    return numbers


def test_sgd_follows_its_formula():
    p, expected = 2.0, []
    for g in GRADS:
        p -= 0.1 * g
        expected.append(p)
    assert trajectory(lambda ps: optim.SGD(ps, lr=0.1)) == expected


def test_sgd_with_weight_decay_and_momentum_follows_its_formula():
    p, v, expected = 2.0, None, []
    for g in GRADS:
        g = g + 0.01 * p
        v = g if v is None else 0.9 * v + g
        p -= 0.1 * v
        expected.append(p)
    made = trajectory(lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.01))
    assert made == expected


def adam(decay, decoupled):
    p, m, v, expected = 2.0, 0.0, 0.0, []
    for t, g in enumerate(GRADS, 1):
        if decoupled:
            p *= 1.0 - 0.1 * decay
        else:
            g += decay * p
        m = 0.8 * m + (1.0 - 0.8) * g
        v = 0.95 * v + (1.0 - 0.95) * g * g
        p -= 0.1 / (1.0 - 0.8**t) * m / (math.sqrt(v) / math.sqrt(1.0 - 0.95**t) + 1e-6)
        expected.append(p)
    return expected


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(("name", "decoupled"), [("Adam", False), ("AdamW", True)])
def test_adam_and_adamw_follow_their_formulas(name, decoupled, decay):
    made = trajectory(
        lambda ps: getattr(optim, name)(ps, 0.1, (0.8, 0.95), eps=1e-6, weight_decay=decay)
    )
    assert made == pytest.approx(adam(decay, decoupled), rel=1e-14)


def test_the_first_step_of_adam_is_the_learning_rate():
    p = Value(1.0)
    p.grad = 1e-3
    optim.Adam([p], lr=0.5).step()
    assert p.data == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("SGD", {"lr": 0.01, "momentum": 0.0, "weight_decay": 0.0}),
        ("Adam", {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}),
        ("AdamW", {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
    ],
)
def test_the_defaults_are_pytorchs_where_it_has_some(name, defaults):
    optimiser = getattr(optim, name)([Value(1.0)])
    assert {key: getattr(optimiser, key) for key in defaults} == defaults


def test_the_learning_rate_may_change_between_steps():
    p = Value(1.0)
    sgd = optim.SGD([p], lr=1.0)
    p.grad = 1.0
    sgd.lr = 0.25
    sgd.step()
    assert p.data == 0.75


def test_a_gradient_set_to_none_counts_as_0():
    p = Value(1.0)
    p.grad = None
    optim.SGD([p], lr=1.0).step()
    assert p.data == 1.0


def test_zero_grad_resets_the_parameters_gradients():
    ps = [Value(1.0), Value(2.0)]
    (ps[0] * ps[1]).backward()
    optim.SGD(ps).zero_grad()
    assert [p.grad for p in ps] == [0.0, 0.0]


def test_parameters_come_in_any_iterable():
    assert len(optim.Adam(p for p in [Value(1.0), Value(2.0)]).parameters) == 2


def test_each_parameter_has_a_state_of_its_own():
    ps = [Value(1.0), Value(1.0)]
    adam = optim.Adam(ps, lr=0.1)
    for grads in ((1.0, 0.0), (0.0, 1.0)):
        for p, g in zip(ps, grads, strict=True):
            p.grad = g
        adam.step()
    assert ps[0].data != ps[1].data


def test_a_network_learns():
    xs = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    ys = [-1, 1, 1, -1]
    rng_state = __import__("random")
    rng_state.seed(4)
    model = rustygrad.MLP(2, [8, 1], activation="tanh")
    adam = optim.Adam(model.parameters(), lr=0.1)
    for _ in range(60):
        adam.zero_grad()
        loss = rustygrad.mse([model(x) for x in xs], ys)
        loss.backward()
        adam.step()
    assert loss.data < 0.05


NUMBER = "lr is a number, not "


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda p: optim.SGD(p, lr=-1),
            ArgumentError,
            "lr is a finite number from 0.0 up, not -1.0",
        ),
        (
            lambda p: optim.SGD(p, lr=math.nan),
            ArgumentError,
            "lr is a finite number from 0.0 up, not nan",
        ),
        (
            lambda p: optim.SGD(p, lr=math.inf),
            ArgumentError,
            "lr is a finite number from 0.0 up, not inf",
        ),
        (
            lambda p: optim.SGD(p, lr="0.1"),
            ConversionError,
            NUMBER + "'0.1'",
        ),
        (lambda p: optim.SGD(p, lr=None), ConversionError, NUMBER + "None"),
        (
            lambda p: optim.SGD(p, momentum=-0.5),
            ArgumentError,
            "momentum is a finite number from 0.0 up, not -0.5",
        ),
        (
            lambda p: optim.Adam(p, weight_decay=-1),
            ArgumentError,
            "weight_decay is a finite number from 0.0 up, not -1.0",
        ),
        (
            lambda p: optim.Adam(p, betas=(1.0, 0.9)),
            ArgumentError,
            "beta1 is a number from 0.0 up and below 1.0, not 1.0",
        ),
        (
            lambda p: optim.AdamW(p, betas=(0.9, -0.1)),
            ArgumentError,
            "beta2 is a number from 0.0 up and below 1.0, not -0.1",
        ),
        (
            lambda p: optim.Adam(p, betas=(0.9,)),
            LengthError,
            "betas is a pair of numbers, not (0.9,)",
        ),
        (lambda p: optim.Adam(p, betas=0.9), LengthError, "betas is a pair of numbers, not 0.9"),
        (lambda p: optim.Adam(p, eps=0), ArgumentError, "eps is a number above 0, not 0.0"),
        (
            lambda p: optim.SGD([]),
            ArgumentError,
            "there are no parameters: give it model.parameters()",
        ),
        (
            lambda p: optim.SGD(rustygrad.MLP(1, [1])),
            ConversionError,
            "parameters are Values, such as model.parameters(), not an object of type 'MLP'",
        ),
        (
            lambda p: optim.SGD([1.0]),
            ConversionError,
            "parameters are Values, such as model.parameters(), not an object of type 'float'",
        ),
        (
            lambda p: optim.clip_grad_norm(p, math.nan),
            ArgumentError,
            "max_norm is a number from 0.0 up, not nan",
        ),
        (
            lambda p: optim.clip_grad_norm(p, None),
            ConversionError,
            "max_norm is a number, not None",
        ),
        (
            lambda p: optim.clip_grad_norm(p * 2, 1.0),
            ArgumentError,
            "a parameter is given twice: give each once, list(dict.fromkeys(...))",
        ),
        (
            lambda p: optim.SGD([*p, Value(2.0), *p]),
            ArgumentError,
            "a parameter is given twice: give each once, list(dict.fromkeys(...))",
        ),
        (
            lambda p: optim.Adam([*p, p[0] * 2]),
            ArgumentError,
            "parameters are leaves, such as model.parameters(), and number 1 is the "
            "result of an operation: Value(data=2.0, grad=0.0)",
        ),
        (
            lambda p: optim.clip_grad_norm(p, -1),
            ArgumentError,
            "max_norm is a number from 0.0 up, not -1.0",
        ),
        (
            lambda p: optim.clip_grad_norm([], 1),
            ArgumentError,
            "there are no parameters: give it model.parameters()",
        ),
    ],
)
def test_a_bad_argument_is_refused(make, error, text):
    with pytest.raises(error) as caught:
        make([Value(1.0)])
    assert str(caught.value) == text


def test_a_numpy_number_is_a_number():
    assert optim.SGD([Value(1.0)], lr=np.float32(0.5)).lr == 0.5


def test_a_lone_value_is_taken_as_the_one_parameter():
    p = Value(1.0)
    assert optim.SGD(p).parameters == [p]


def test_an_optimiser_of_a_users_own_needs_a_step():
    with pytest.raises(NotImplementedError):
        optim.Optimizer([Value(1.0)], 0.1, 0.0).step()


def test_clip_grad_norm_scales_what_is_too_large():
    ps = [Value(0.0), Value(0.0)]
    ps[0].grad, ps[1].grad = 3.0, 4.0
    assert optim.clip_grad_norm(ps, 1.0) == 5.0
    assert [p.grad for p in ps] == [3.0 * (1 / 5.000001), 4.0 * (1 / 5.000001)]


def test_clip_grad_norm_leaves_what_is_small_enough():
    p = Value(0.0)
    p.grad = 0.5
    assert optim.clip_grad_norm([p], 1) == 0.5
    assert p.grad == 0.5


def test_clip_grad_norm_leaves_nan_alone():
    p, q = Value(0.0), Value(0.0)
    p.grad, q.grad = math.nan, 2.0
    assert math.isnan(optim.clip_grad_norm([p, q], 1.0))
    assert q.grad == 2.0


def test_clip_grad_norm_without_a_limit_measures_the_norm():
    p = Value(0.0)
    p.grad = 5.0
    assert optim.clip_grad_norm([p], math.inf) == 5.0
    p.grad = math.inf
    assert optim.clip_grad_norm([p], math.inf) == math.inf
    assert p.grad == math.inf


@pytest.mark.parametrize(
    ("make", "attribute"),
    [
        (lambda ps: optim.SGD(ps, momentum=0.9), "lr"),
        (lambda ps: optim.SGD(ps, momentum=0.9), "momentum"),
        (optim.Adam, "lr"),
        (optim.Adam, "weight_decay"),
        (optim.Adam, "eps"),
        (optim.Adam, "betas"),
        (optim.AdamW, "lr"),
    ],
)
def test_a_step_that_is_refused_changes_nothing(make, attribute):
    ps, others = [Value(2.0), Value(3.0)], [Value(2.0), Value(3.0)]
    refused, other = make(ps), make(others)
    for p in ps + others:
        p.grad = 0.5
    refused.step()
    other.step()
    before = getattr(refused, attribute)
    setattr(refused, attribute, None)
    with pytest.raises(RustygradError):
        refused.step()
    setattr(refused, attribute, before)
    assert [p.data for p in ps] == [p.data for p in others]
    refused.step()
    other.step()
    assert [p.data for p in ps] == [p.data for p in others]


def test_a_number_may_be_changed_to_any_real_number():
    p = Value(1.0)
    p.grad = 2.0
    sgd = optim.SGD([p])
    sgd.lr = np.float32(0.5)
    sgd.step()
    assert p.data == 0.0
