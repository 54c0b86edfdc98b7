"""Early stopping: each seed keeps the weights that it would keep alone, whatever happens to the others."""

import io
import math
from collections.abc import Sequence

import pytest
import torch
from fake_training import FakeTraining
from hypothesis import given
from hypothesis import strategies as st

from dnnx.basics.errors import UserError
from dnnx.training.callbacks.early_stopping import EarlyStopping

NAN, INF = math.nan, math.inf


def drive(
    losses: Sequence[Sequence[float]], patience: int = 2, first_epoch: int = 1, **more: Sequence[Sequence[float]]
) -> EarlyStopping:
    """`losses` has a row [R] for every epoch."""
    stopping = EarlyStopping(patience)
    training = FakeTraining([stopping], range(len(losses[0])))
    training.module.first_epoch = first_epoch
    training.run(losses, **more)
    return stopping


def alone(losses: Sequence[float], patience: int, first_epoch: int = 1) -> dict[str, float]:
    """Return the epoch that one seed keeps, by the plainest loop."""
    kept = {"best_loss": INF, "best_epoch": 0, "last_epoch": 0, "diverged_epoch": 0}
    for epoch, loss in enumerate(losses, 1):
        kept["last_epoch"] = epoch
        if not math.isfinite(loss):
            return kept | {"diverged_epoch": epoch}
        if loss < kept["best_loss"] and epoch >= first_epoch:
            kept |= {"best_loss": loss, "best_epoch": epoch}
        if epoch - max(kept["best_epoch"], first_epoch - 1) >= patience:
            return kept
    return kept


def columns(losses: Sequence[Sequence[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*losses, strict=True)]


some_losses = st.integers(1, 4).flatmap(
    lambda num: st.lists(
        st.lists(st.sampled_from([*(i / 8 for i in range(8)), NAN, INF, -INF]), min_size=num, max_size=num),
        min_size=1,
        max_size=12,
    )
)


@given(some_losses, st.integers(1, 5), st.integers(1, 4))
def test_each_seed_keeps_the_weights_that_it_would_keep_alone(
    losses: list[list[float]], patience: int, first_epoch: int
) -> None:
    stopping = drive(losses, patience, first_epoch)
    for seed, column in enumerate(columns(losses)):
        expected = alone(column, patience, first_epoch)
        assert {name: getattr(stopping, name)[seed].item() for name in expected} == expected
        assert stopping.best_state["weight"][seed] == expected["best_epoch"]  # weights are the epoch's number


def test_an_equal_loss_is_no_improvement() -> None:
    stopping = drive([[0.5], [0.5], [0.5], [0.1]], patience=2)
    assert stopping.best_epoch.tolist() == [1]
    assert stopping.last_epoch.tolist() == [3]


def test_an_epoch_before_the_first_that_counts_is_never_the_best_and_costs_no_patience() -> None:
    stopping = drive([[0.1], [0.2], [0.3], [0.9], [0.8], [0.85], [0.9], [0.1]], patience=2, first_epoch=4)
    assert stopping.best_epoch.tolist() == [5]
    assert stopping.last_epoch.tolist() == [7]
    assert stopping.best_state["weight"].tolist() == [[5]]


def test_training_ends_when_the_last_seed_is_out_of_patience() -> None:
    losses = [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.0, 0.8], [0.0, 0.9], [0.0, 0.0]]
    stopping = EarlyStopping(2)
    training = FakeTraining([stopping], [0, 1])
    training.run(losses)
    assert training.trainer.current_epoch == 5
    assert stopping.best_epoch.tolist() == [1, 3]
    assert stopping.last_epoch.tolist() == [3, 5]
    assert stopping.best_state["weight"].flatten().tolist() == [1, 3]


def test_a_seed_counts_in_its_last_epoch_and_in_none_after() -> None:
    stopping = EarlyStopping(1)
    training = FakeTraining([stopping], [0, 1])
    counted = []
    for row in ([0.5, 0.5], [0.6, 0.4], [0.1, 0.3]):
        training.run([row])
        counted.append(stopping.counted.tolist())
    assert counted == [[True, True], [True, True], [False, True]]


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_diverged_seed_is_marked_with_its_epoch_and_spares_the_others(bad: float) -> None:
    stopping = drive([[0.5, 0.5], [0.4, bad], [0.3, 0.0], [0.2, 0.0]])
    assert stopping.diverged_epoch.tolist() == [0, 2]
    assert stopping.last_epoch.tolist() == [4, 2]
    assert stopping.best_epoch.tolist() == [4, 1]
    assert stopping.survived() == [True, False]


def test_a_training_loss_that_is_not_finite_is_divergence_too() -> None:
    stopping = drive([[0.5, 0.5], [0.4, 0.4]], train_loss=[[0.5, 0.5], [0.4, NAN]])
    assert stopping.diverged_epoch.tolist() == [0, 2]


def test_every_seed_can_diverge() -> None:
    stopping = drive([[0.5, NAN], [INF, 0.1]])
    assert stopping.survived() == [False, False]
    assert stopping.diverged_epoch.tolist() == [2, 1]


@given(some_losses, st.integers(1, 4), st.integers(0, 12))
def test_saved_state_goes_on_as_if_never_stopped(losses: list[list[float]], patience: int, at: int) -> None:
    seeds = range(len(losses[0]))
    first = EarlyStopping(patience)
    training = FakeTraining([first], seeds)
    training.run(losses[:at])
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)

    second = EarlyStopping(patience)
    resumed = FakeTraining([second], seeds, start=training.trainer.current_epoch)
    second.load_state_dict(torch.load(file, weights_only=True))
    if not training.trainer.should_stop:
        resumed.run(losses[at:])
    whole = drive(losses, patience)
    for name in EarlyStopping.STATE:
        one, other = getattr(second, name), getattr(whole, name)
        assert torch.equal(one["weight"], other["weight"]) if name == "best_state" else torch.equal(one, other)


def test_best_weights_are_a_copy() -> None:
    stopping = EarlyStopping(2)
    training = FakeTraining([stopping], [0, 1])
    training.run([[0.5, 0.5]])
    training.module.weight.fill_(99)
    assert stopping.best_state["weight"].flatten().tolist() == [1, 1]


@pytest.mark.parametrize("patience", [0, -1, 1.5, None, "3"])
def test_a_bad_patience_is_refused(patience: int) -> None:
    with pytest.raises(UserError, match=rf"callbacks\.early_stopping\.patience={patience}: a whole number of epochs"):
        EarlyStopping(patience)
