"""Mutants change one thing each, and leave messages, annotations and assertions alone."""

import ast

import pytest
from mutation.modules import MODULES
from mutation.mutants import mutants_of
from mutation.run import ROOT, drawn


def changed(text: str) -> list[str]:
    return [mutant.applied_to(text.encode()).decode() for mutant in mutants_of("a.py", text.encode())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b", ["(a <= b)"]),
        ("a < b == c", ["(a <= b == c)", "(a < b != c)"]),
        ("é + a * b", ["(é - a * b)", "é + (a / b)"]),
        ("a and b or c", ["((a and b) and c)", "(a or b) or c"]),
        ("not a", ["(a)"]),
        ("x[-1:]", ["x[(1):]", "x[-(2):]"]),
        ("f(True, 0.5)", ["f((False), 0.5)", "f(True, (1.5))"]),
        ("min(a, b.any())", ["(max)(a, b.any())", "min(a, (b.all)())"]),
        ("a if b < c else d", ["a if (b <= c) else d", "a if (not b < c) else d"]),
        ("a if b is c else d", ["a if (b is not c) else d"]),
        ("a += 1", ["a -= 1", "a += (2)"]),
        ("def f(a: int = 1) -> list[1]:\n    return a", ["def f(a: int = (2)) -> list[1]:\n    return a",
                                                       "def f(a: int = 1) -> list[1]:\n    return (None)"]),
        ("def f():\n    return None", ["def f():\n    return (True)"]),
        ("assert a < 1", []),
        ("raise ValueError(1)", []),
        ("f'{a < 1}'", []),
        ("return_ = 'text'", []),
    ],
)  # fmt: skip
def test_each_mutant_is_one_change(text: str, expected: list[str]) -> None:
    assert sorted(changed(text)) == sorted(expected)
    for mutant in changed(text):
        ast.parse(mutant)


def test_every_module_has_mutants_that_are_python_and_tests_that_exist() -> None:
    for module, (_, tests) in MODULES.items():
        source = (ROOT / "src/dnnx" / module).read_bytes()
        found = mutants_of(module, source)
        assert found
        for mutant in found[::7]:
            ast.parse(mutant.applied_to(source))
        assert all((ROOT / "tests" / test.partition("::")[0]).is_file() for test in tests), module


def test_a_seed_draws_the_same_mutants_and_more_of_them_in_the_same_order() -> None:
    assert drawn(20, 3, ["splits"]) == drawn(50, 3, ["splits"])[:20]
    assert drawn(20, 3, ["splits"]) != drawn(20, 4, ["splits"])
    assert {MODULES[mutant.module][0] for mutant in drawn(50, 3, ["splits", "checkpoint"])} == {"splits", "checkpoint"}
