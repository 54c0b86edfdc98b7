"""Values of the trainer that no run can have are refused in one line, before torch is imported."""

import pytest
from commands import compose

from dnnx.basics.errors import UserError
from dnnx.config.check import check


@pytest.mark.parametrize("precision", ["16", "16-mixed", "16-true", "bf16-true", "64", "64-true", "transformer-engine"])
def test_a_precision_other_than_that_of_the_data_is_refused(precision: str) -> None:
    with pytest.raises(UserError, match=rf"trainer\.precision={precision}: type 32-true or bf16-mixed"):
        check(compose(f"+trainer.precision={precision}"))


@pytest.mark.parametrize("precision", ["32", "32-true", "bf16-mixed"])
def test_the_others_are_taken(precision: str) -> None:
    check(compose(f"+trainer.precision={precision}"))


@pytest.mark.parametrize("own", [[], ["+module={_target_: mine.Lit}", "~net", "~task"]])
def test_several_nodes_are_refused(own: list[str]) -> None:
    with pytest.raises(UserError, match=r"trainer\.num_nodes=2: only 1 is valid"):
        check(compose(*own, "+trainer.num_nodes=2"))
