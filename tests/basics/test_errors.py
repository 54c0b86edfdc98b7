"""UserError, the one error of a user's mistake: key, value, valid values and near misses."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch

from dnnx.basics.errors import (
    UserError,
    check_arguments,
    choose,
    fits,
    is_out_of_memory,
    near_misses,
    require,
    unknown_key,
)


def test_require_passes_a_valid_value_and_else_names_key_value_and_expectation() -> None:
    require(True, "seeds", 5, "a count")
    with pytest.raises(UserError, match=r"^seeds=0: a count of at least 1$"):
        require(False, "seeds", 0, "a count of at least 1")


def test_choose_returns_the_named_entry() -> None:
    assert choose("net.norm", "batch", {"batch": 1, "layer": 2}) == 1


@pytest.mark.parametrize("value", ["Batch", "", None, 3, ["batch"], True])
def test_choose_lists_the_valid_names_for_an_unknown_one(value: object) -> None:
    with pytest.raises(UserError, match="choose one of batch, layer") as error:
        choose("net.norm", value, {"batch": 1, "layer": 2})
    assert str(error.value).startswith(f"net.norm={value}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "near"), [("bacth", "did you mean batch?"), ("BATCH", "did you mean batch?"), ("quite_another", "")]
)
def test_near_misses_are_named_only_when_they_are_near(name: str, near: str) -> None:
    assert near in near_misses(name, ["batch", "layer"])
    assert bool(near_misses(name, ["batch", "layer"])) == bool(near)


def test_check_arguments_refuses_an_argument_that_the_function_does_not_take() -> None:
    def function(rate: float, momentum: float = 0.9) -> None: ...

    check_arguments("optimizer", function, {"rate": 1, "momentum": 0.5})
    with pytest.raises(UserError, match=r"^optimizer\.momentun: .*did you mean optimizer\.momentum"):
        check_arguments("optimizer", function, {"rate": 1, "momentun": 0.5})


def test_check_arguments_accepts_every_argument_of_a_function_with_kwargs() -> None:
    def function(**options: float) -> None: ...

    check_arguments("optimizer", function, {"anything": 1})


def test_check_arguments_knows_the_arguments_of_a_class() -> None:
    class Thing:
        def __init__(self, size: int): ...

    check_arguments("thing", Thing, {"size": 3})
    with pytest.raises(UserError, match=r"thing\.self"):
        check_arguments("thing", Thing, {"self": 3})


@pytest.mark.parametrize(
    ("annotation", "fit", "do_not"),
    [
        (float, [1, -0.5], [True, "1", None, math.nan, math.inf, [1]]),
        (int, [0, -3], [1.0, True, "1", None]),
        (bool, [True, False], [0, "true", None]),
        (str, ["", "a"], [3, None, ["a"]]),
        (int | None, [3, None], ["null", 3.5]),
        (Sequence[str], [[], ["a"]], ["abc", [3], None]),
        (tuple[float, float], [[0.9, 1]], [[0.9], [1, 2, 3], 0.9]),
        (Literal["a", 3], ["a", 3], ["b", None]),
        (float | torch.Tensor, [0.1], ["0.1", True]),
        (dict[str, int], [{}, {"a": 1}], [[], "a"]),
        (Any, [None, "a", 3], []),
        ("Unknown", [None, "a", 3], []),
    ],
)
def test_a_value_fits_its_annotation_or_not(annotation: Any, fit: list, do_not: list) -> None:
    assert all(fits(value, annotation) for value in fit)
    assert not any(fits(value, annotation) for value in do_not)


def test_a_value_of_a_wrong_type_is_an_error_with_the_valid_types() -> None:
    def function(rate: float, layers: Sequence[int] | None = None, kind: Literal["a", "b"] = "a") -> None: ...

    for given, says in (
        ({"rate": "x"}, "optimizer.rate=x: a number"),
        ({"rate": None}, "optimizer.rate=null: a number"),
        ({"layers": ""}, "optimizer.layers='': a list of whole numbers or null"),
        ({"kind": "c"}, "optimizer.kind=c: one of a, b"),
    ):
        with pytest.raises(UserError) as error:
            check_arguments("optimizer", function, given)
        assert str(error.value) == says


def test_the_error_of_an_unknown_key_says_where_the_keys_are_listed() -> None:
    assert unknown_key("net.hiden", ["net.hidden"]).endswith("did you mean net.hidden?; see all keys with --cfg job")


@pytest.mark.parametrize(
    ("told", "memory"),
    [
        ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB", True),
        ("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
         "allocate 80000000000 bytes. Error code 12 (Cannot allocate memory)", True),
        ("[enforce fail at alloc_cpu.cpp:83] . DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes",
         True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("std::bad_alloc", True),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`", False),
        ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", False),
    ],
)  # fmt: skip
def test_a_real_message_of_memory_that_ran_out_is_known(told: str, memory: bool) -> None:
    assert is_out_of_memory(RuntimeError(told)) is memory


def test_a_key_that_hydra_adds_is_near_no_other() -> None:
    names = ["optimizer.lr", "optimizer._target_"]
    assert near_misses("optimizer.learning_rate", names) in ("", "; did you mean optimizer.lr?")
    assert "optimizer._target_" in near_misses("optimizer._tarqet_", names)
