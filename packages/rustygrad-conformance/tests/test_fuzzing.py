"""The fuzzer: it finds what is wrong by one ulp in one combination, and shrinks it to its core."""

import math
import random

import pytest
import rustygrad

from rustygrad_conformance import target
from rustygrad_conformance.engine import Engine
from rustygrad_conformance.fuzz import Fuzzer, difference, smallest, write
from rustygrad_conformance.fuzz.__main__ import main, pasted
from rustygrad_conformance.fuzz.coverage import PAIRS
from rustygrad_conformance.programs import Program


def wrong_by_an_ulp(above, below, name):
    """An engine whose gradient is off by an ulp where `below` feeds `above`."""
    engine = Engine(name)
    right = engine.value.sweep

    def sweep(order):
        for node in reversed(order):
            right((node,))
            for x in node._prev:
                if (x._rule.name, node._rule.name) == (below, above):
                    x._grad = math.nextafter(x._grad, math.inf)

    engine.value.sweep = sweep
    return engine.backend


SAMPLE = random.Random(3).sample([p for p in PAIRS if p[1] != "opaque"], 12)
PLANTED = {
    f"planted_{below}_{above}": wrong_by_an_ulp(above, below, f"planted_{below}_{above}")
    for below, above in SAMPLE
}


def __getattr__(name):
    try:
        return PLANTED[name]
    except KeyError:
        raise AttributeError(name) from None


@pytest.mark.parametrize("name", PLANTED)
def test_a_gradient_wrong_by_an_ulp_in_one_combination_is_found_within_1000_programs(name):
    backend = target.load(f"{__name__}:{name}")
    assert Fuzzer(backend).run(range(1000)) is not None


def test_a_right_engine_passes():
    backend = target.load("rustygrad_conformance.engine:loopback")
    assert Fuzzer(backend).run(range(300)) is None


def test_the_same_seed_is_the_same_program():
    assert repr(write(5)) == repr(write(5)) != repr(write(6))


def test_a_failing_program_is_made_smaller_and_can_be_pasted(capsys):
    name = f"{__name__}:{next(iter(PLANTED))}"
    backend = target.load(name)
    seed, program = Fuzzer(backend).run(range(1000))
    small = smallest(program, lambda one: bool(difference(one, backend)))
    assert difference(small, backend)
    assert len(small.lines) < len(program.lines) / 2
    try:
        exec(pasted(small, name), {})
    finally:
        rustygrad.set_backend(None)
    assert "data=" in capsys.readouterr().out
    assert main([name, "--seed", str(seed), "--programs", "1"]) == 1
    assert f"The program of seed {seed}, made smaller" in capsys.readouterr().out


def test_an_error_that_only_one_of_them_raises_is_a_difference():
    backend = target.load("rustygrad_conformance.bugs:accepts_text")
    program = Program(["a = Value(1.0)", "b = Value('2.0')"], ["a", "b"])
    assert len(difference(program, backend)) == 2  # the error, and b


def test_the_seeds_of_a_file_come_first(tmp_path, capsys):
    path = tmp_path / "seeds"
    path.write_text("# once wrong\n7 a reason\n\n8\n")
    assert main(["python", "--programs", "1", "--seeds", str(path)]) == 0
    assert "3 programs, none differs" in capsys.readouterr().out
