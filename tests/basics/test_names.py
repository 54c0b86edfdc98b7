"""No name of an arm, a run or a study leads out of its folder, or to a file that dnnx writes."""

import pytest

from dnnx.basics.names import LONGEST, TAKEN, fault_of_name


@pytest.mark.parametrize("name", ["bn", "bn_optimizer.lr-0.001", "-x", "ä b", "x" * LONGEST, "data.root-..-x"])
def test_a_name_of_a_folder_is_taken(name: str) -> None:
    assert fault_of_name(name, TAKEN) == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/abs/x",
        "a/b",
        ".hidden",
        "a\nb",
        "a\0b",
        "x" * (LONGEST + 1),
        "ä" * 200,
        None,
        3,
        *TAKEN,
    ],
)
def test_any_other_name_is_refused(name: object) -> None:
    assert fault_of_name(name, TAKEN)
