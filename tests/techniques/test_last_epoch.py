"""The weights of the last epoch are tested, also where an earlier epoch had a lower validation loss."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import SMOKE, compose

from dnnx.basics.at_work import NotAtWork
from dnnx.basics.errors import UserError
from dnnx.techniques.last_epoch import LastEpoch
from dnnx.train import train

WORDS = [*SMOKE, "trainer.max_epochs=6", "callbacks.early_stopping.patience=1", "optimizer.lr=0.03"]


def test_every_seed_trains_to_the_end_and_is_tested_there(tmp_path: Path) -> None:
    stopped = train(compose(*WORDS), tmp_path / "stopped")
    last = train(compose(*WORDS, "+technique=last_epoch"), tmp_path / "last")
    assert min(stopped["epoch/best"]) < 6, "else there is nothing to compare"
    assert last["epoch/best"] == last["epoch/last"] == [6, 6]


@pytest.mark.parametrize("epoch", [0, 2.5, "six"])
def test_a_number_that_is_no_epoch_is_one_line(epoch: object) -> None:
    with pytest.raises(UserError, match=rf"techniques\.last_epoch\.epoch={epoch}: the last epoch"):
        LastEpoch(epoch)  # type: ignore[arg-type]


def test_weights_of_an_earlier_epoch_are_noticed() -> None:
    technique = LastEpoch(6)
    technique.check_after(SimpleNamespace(metrics={"epoch/best": [6, None]}))  # one seed diverged
    with pytest.raises(NotAtWork, match="weights of epoch 3"):
        technique.check_after(SimpleNamespace(metrics={"epoch/best": [6, 3]}))
