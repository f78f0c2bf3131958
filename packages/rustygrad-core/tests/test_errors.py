import pickle

import pytest
import rustygrad
from rustygrad import errors
from rustygrad.errors import RustygradError


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ConversionError", TypeError),
        ("MixedBackendsError", TypeError),
        ("ArgumentError", ValueError),
        ("LengthError", ValueError),
        ("StateDictError", ValueError),
        ("GraphError", ValueError),
        ("OptionError", TypeError),
        ("AnomalyError", ArithmeticError),
        ("PluginError", RustygradError),
        ("UnknownNameError", ValueError),
        ("DuplicateNameError", ValueError),
        ("BrokenPluginError", RuntimeError),
    ],
)
def test_every_error_is_the_librarys_and_also_the_builtin_one_expects(name, builtin):
    error = getattr(errors, name)
    assert issubclass(error, RustygradError)
    assert issubclass(error, builtin)


def test_the_plugin_warning_is_a_runtime_warning():
    assert issubclass(errors.PluginWarning, RuntimeWarning)


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(errors.MixedBackendsError.between("c", "python")))
    assert str(error) == (
        "one expression mixes Values of the backends 'c' and 'python': "
        "bring them together with rustygrad.convert(value, 'c')"
    )


def test_everything_public_is_there():
    assert all(hasattr(rustygrad, name) for name in rustygrad.__all__)


def test_dir_lists_what_loads_later():
    assert {"MLP", "nn", "datasets", "export", "Value"} <= set(dir(rustygrad))


def test_what_loads_later_is_loaded_once():
    assert rustygrad.MLP is rustygrad.nn.MLP
    assert rustygrad.MLP is vars(rustygrad)["MLP"]


def test_value_is_the_class_of_the_selected_backend():
    assert rustygrad.Value is rustygrad.get_backend("python").Value


def test_an_unknown_name_is_an_attribute_error_as_in_any_module():
    with pytest.raises(AttributeError) as caught:
        rustygrad.nonsense  # noqa: B018
    assert str(caught.value) == "module 'rustygrad' has no attribute 'nonsense'"
