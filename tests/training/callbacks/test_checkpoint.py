"""Checkpoints: the epochs that are saved, their order, and a resumed training that is the uninterrupted one."""

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from fake_training import FakeTraining
from modules import classifier

from dnnx.basics import signals
from dnnx.basics.errors import UserError
from dnnx.data.loaders import Chunks, EvalBatches
from dnnx.training.callbacks import checkpoint, saving
from dnnx.training.callbacks.checkpoint import Checkpoint, InPlace, load_checkpoint
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.module import ReplicaModule

SEEDS = [3, 7]
FALLING = [[0.5], [0.4], [0.3], [0.2], [0.1]]
LONG = 1000.0  # seconds, which no test lasts


class Saves(FakeTraining):
    """Epochs of a fake training in which each save is noted as the file and the epoch."""

    def __init__(self, folder: Path, callback: Checkpoint, *more: Any):
        super().__init__([EarlyStopping(), callback, *more], [0], folder)
        self.made: list[tuple[str, int]] = []
        self.trainer.strategy = SimpleNamespace()
        self.trainer.save_checkpoint = self.save
        self.module.replicas.showing = self.showing
        self.shown: Any = None

    def save(self, path: Path, weights_only: bool = False) -> None:
        weights = self.shown["weight"] if weights_only else self.module.weight
        torch.save({"epoch": self.trainer.current_epoch, "weight": weights.clone()}, path)
        self.made.append((path.name.strip(".").split(".ckpt")[0], self.trainer.current_epoch))

    @contextmanager
    def showing(self, state: Any) -> Any:
        self.shown = state
        yield


def saves(folder: Path, callback: Checkpoint, losses: list[list[float]] = FALLING) -> list[tuple[str, int]]:
    training = Saves(folder, callback)
    training.run(losses)
    return training.made


def test_each_epoch_is_saved_when_the_next_one_starts_and_the_last_at_the_end(tmp_path: Path) -> None:
    made = saves(tmp_path, Checkpoint(every_s=0))
    assert [epoch for name, epoch in made if name == "last"] == [1, 2, 3, 4, 5]
    assert load_checkpoint(tmp_path / "checkpoints/last.ckpt")["epoch"] == 5


def test_a_short_training_is_saved_once(tmp_path: Path) -> None:
    assert saves(tmp_path, Checkpoint(every_s=LONG)) == [("best", 5), ("last", 5)]


def test_saves_are_some_seconds_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on by 5 s in every epoch."""
    training = Saves(tmp_path, Checkpoint(every_s=10))
    clock = SimpleNamespace(monotonic=lambda: 100.0 + 5 * training.trainer.current_epoch)
    monkeypatch.setattr(checkpoint, "time", clock)
    monkeypatch.setattr(saving, "time", clock)
    training.run([[1 - epoch / 10] for epoch in range(7)])
    assert [epoch for name, epoch in training.made if name == "last"] == [2, 4, 6, 7]


def test_every_second_epoch_has_a_checkpoint_of_its_own_and_last_is_written_last(tmp_path: Path) -> None:
    made = saves(tmp_path, Checkpoint(every_n_epochs=2, every_s=LONG))
    assert made == [("best", 2), ("epoch_2", 2), ("last", 2), ("best", 4), ("epoch_4", 4), ("last", 4), ("best", 5),
                    ("last", 5)]  # fmt: skip
    assert load_checkpoint(tmp_path / "checkpoints/epoch_2.ckpt")["epoch"] == 2
    made = saves(tmp_path / "other", Checkpoint(every_n_epochs=5, every_s=LONG))
    assert made == [("best", 5), ("epoch_5", 5), ("last", 5)]


def test_best_holds_the_best_weights_and_is_written_when_they_change(tmp_path: Path) -> None:
    losses = [[0.5], [0.2], [0.3], [0.4], [0.1]]
    made = saves(tmp_path, Checkpoint(every_s=0), losses)
    assert [epoch for name, epoch in made if name == "best"] == [1, 2, 5]
    made = saves(tmp_path / "other", Checkpoint(every_s=0), losses[:4])
    assert load_checkpoint(tmp_path / "other/checkpoints/best.ckpt")["weight"].tolist() == [[2.0]]
    assert load_checkpoint(tmp_path / "other/checkpoints/last.ckpt")["weight"].tolist() == [[4.0]]


class Sends(pl.Callback):
    """Sends this process a signal in an epoch."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == self.epoch - 1:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("every_s", "kept"), [(LONG, 3), (0, 2)])
def test_a_signal_waits_for_an_epoch_only_where_one_is_not_saved(tmp_path: Path, every_s: float, kept: int) -> None:
    training = Saves(tmp_path, Checkpoint(every_s=every_s), Sends(epoch=3))
    with signals.listen(), pytest.raises(signals.Stopped):
        training.run(FALLING)
    assert load_checkpoint(tmp_path / "checkpoints/last.ckpt")["epoch"] == kept
    assert not signals.came()


def test_a_signal_in_the_last_epoch_ends_the_command_after_its_save(tmp_path: Path) -> None:
    training = Saves(tmp_path, Checkpoint(every_s=LONG), Sends(epoch=5))
    with signals.listen(), pytest.raises(signals.Stopped):
        training.run(FALLING)
    assert load_checkpoint(tmp_path / "checkpoints/last.ckpt")["epoch"] == 5


def test_a_signal_does_not_wait_after_an_error(tmp_path: Path) -> None:
    callback = Checkpoint()
    with signals.listen():
        callback.on_train_epoch_end(None, None)
        callback.on_exception(None, None, ValueError())
        with pytest.raises(signals.Stopped):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("number", [0, -1, 1.5, "2"])
def test_a_number_of_epochs_that_is_none_is_one_line(number: Any) -> None:
    with pytest.raises(UserError, match=rf"^callbacks\.checkpoint\.every_n_epochs={number}: null, or a whole number"):
        Checkpoint(every_n_epochs=number)
    Checkpoint(every_n_epochs=1)


@pytest.mark.parametrize("seconds", [-0.5, "x", None])
def test_seconds_that_are_none_are_one_line(seconds: Any) -> None:
    with pytest.raises(UserError, match=rf"^callbacks\.checkpoint\.every_s={seconds}: seconds between two saves"):
        Checkpoint(every_s=seconds)
    Checkpoint(every_s=0)


def test_a_file_is_written_at_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.mkstemp", lambda *_, **__: pytest.fail("a temporary file elsewhere"))
    InPlace().save_checkpoint({"state_dict": {"a": torch.arange(3)}}, tmp_path / "x.ckpt")
    assert load_checkpoint(tmp_path / "x.ckpt")["state_dict"]["a"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["x.ckpt"]


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(contents)
    with pytest.raises(UserError) as error:
        load_checkpoint(tmp_path / "x.ckpt")
    assert str(error.value).startswith(f"{tmp_path}/x.ckpt: not a readable checkpoint (")
    assert "\n" not in str(error.value)


# --- resumed


def fitted(
    folder: Path, epochs: int, patience: int = 20, after: Iterable[Any] = ()
) -> tuple[pl.Trainer, ReplicaModule]:
    """Train two seeds, or go on with what is in the folder, until so many epochs are done."""
    draw = torch.Generator().manual_seed(0)
    batches = [(torch.randn(2, 8, 6, generator=draw), torch.randint(3, (2, 8), generator=draw)) for _ in range(3)]
    x, y = torch.randn(12, 6, generator=draw), torch.randint(3, (12,), generator=draw)
    optimizer, scheduler = (
        partial(torch.optim.Adam, lr=0.05),
        partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.7),
    )
    module = classifier(6, 3, {"hidden": [5, 4]}, SEEDS, optimizer=optimizer, scheduler=scheduler)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=epochs, num_sanity_val_steps=0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=str(folder),
        callbacks=[EarlyStopping(patience), Checkpoint(every_n_epochs=1), *after],
    )  # fmt: skip
    trainer.fit(module, Chunks(batches), EvalBatches(x, y, 12))
    return trainer, module


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole, expected = fitted(tmp_path / "whole", 4)
    fitted(tmp_path / "cut", 2)
    resumed, module = fitted(tmp_path / "cut", 4)
    assert (resumed.current_epoch, resumed.global_step) == (whole.current_epoch, whole.global_step) == (4, 12)
    for name, value in expected.replicas.stacked_state().items():
        assert torch.equal(module.replicas.stacked_state()[name], value), name
    one, other = (trainer.optimizers[0].state_dict() for trainer in (whole, resumed))
    assert one["param_groups"] == other["param_groups"], "the rate goes on"
    for place, state in one["state"].items():
        assert all(torch.equal(value, other["state"][place][name]) for name, value in state.items())
    for name, value in EarlyStopping.of(whole).state_dict().items():
        assert str(value) == str(EarlyStopping.of(resumed).state_dict()[name])


class Counts(pl.Callback):
    """Counts epochs of training."""

    epochs = 0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.epochs += 1


def test_a_training_in_which_no_seed_is_active_takes_no_more_steps(tmp_path: Path) -> None:
    fitted(tmp_path, 2)
    last = tmp_path / "checkpoints/last.ckpt"
    saved = load_checkpoint(last)
    for active, more in ((False, 0), (True, 2)):
        saved["callbacks"][KEY]["active"][:] = False
        saved["callbacks"][KEY]["active"][0] = active
        torch.save(saved, last)
        counts = Counts()
        fitted(tmp_path, 4, after=[counts])
        assert counts.epochs == more


KEY = EarlyStopping().state_key
MOMENT = "exp_avg"
DAMAGES: dict[str, Callable[[Any], Any]] = {
    "no weights": lambda saved: saved.pop("state_dict"),
    "weights of another net": lambda saved: saved["state_dict"].popitem(),
    "epoch 0": lambda saved: saved.update(epoch=0),
    "an epoch that is no number": lambda saved: saved.update(epoch=True),
    "half an epoch": lambda saved: saved.update(epoch=2.0),
    "an epoch before that of a seed": lambda saved: saved.update(epoch=1),
    "no schedule": lambda saved: saved.update(lr_schedulers=[]),
    "no optimizer": lambda saved: saved.update(optimizer_states=[]),
    "moments of another net": lambda saved: saved["optimizer_states"][0]["state"][0].update({MOMENT: torch.zeros(7)}),
    "one moment of another": lambda saved: saved["optimizer_states"][0]["state"][2].update({MOMENT: torch.zeros(3, 7)}),
    "a callback without its state": lambda saved: saved["callbacks"][KEY].pop("active"),
    "a list for a tensor": lambda saved: saved["callbacks"][KEY].update(best_loss=[0.5, 0.5]),
    "seeds that are more": lambda saved: saved["callbacks"][KEY].update(best_loss=torch.zeros(3)),
    "numbers of another type": lambda saved: saved["callbacks"][KEY].update(last_epoch=torch.ones(2)),
    "best weights of another net": lambda saved: saved["callbacks"][KEY]["best_state"].popitem(),
    "best weights of more seeds": lambda saved: saved["callbacks"][KEY]["best_state"].update(
        {name: torch.cat([value, value]) for name, value in saved["callbacks"][KEY]["best_state"].items()}
    ),
}


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    fitted(folder, 2)
    return folder / "checkpoints/last.ckpt"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_of_another_training_is_one_line(damage: str, two_epochs: Path, tmp_path: Path) -> None:
    saved = load_checkpoint(two_epochs)
    DAMAGES[damage](saved)
    (tmp_path / "checkpoints").mkdir()
    torch.save(saved, tmp_path / "checkpoints/last.ckpt")
    with pytest.raises(UserError, match=r"checkpoints/last\.ckpt: not a checkpoint of this run \(") as error:
        fitted(tmp_path, 3)
    assert "\n" not in str(error.value)


def test_a_callback_that_checks_its_own_state_is_asked(two_epochs: Path, tmp_path: Path) -> None:
    class Own(pl.Callback):
        checks_own_state = True
        found: Any = None

        def state_dict(self) -> dict[str, Any]:
            return {"now": 1}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            self.found = state_dict

    saved, own = load_checkpoint(two_epochs), Own()
    saved["callbacks"][own.state_key] = {"then": "other keys"}
    (tmp_path / "checkpoints").mkdir()
    torch.save(saved, tmp_path / "checkpoints/last.ckpt")
    with suppress(UserError):
        fitted(tmp_path, 3, after=[own])
    assert own.found == {"then": "other keys"}


def test_the_seeds_that_left_are_those_of_these_networks() -> None:
    replicas = classifier(6, 3, {"hidden": [5, 4]}, SEEDS).replicas
    saved = vars(replicas.leaving([1], 6))
    found = checkpoint._left(saved, replicas)
    assert (found.running, found.steps.tolist()) == ([0], [0, 6])
    assert found.state.keys() == saved["state"].keys()
    for steps in ([3, 6], [-1, 6], [0, -6]):
        with pytest.raises(ValueError, match="no seed is left"):
            checkpoint._left(saved | {"steps": torch.tensor(steps)}, replicas)
    for damage in ({"steps": torch.tensor([0, 6, 0])}, {"steps": torch.tensor([0.0, 6.0])}, {"steps": [0, 6]}):
        with pytest.raises(ValueError, match="steps is"):
            checkpoint._left(saved | damage, replicas)
    with pytest.raises(KeyError):
        checkpoint._left({"steps": saved["steps"]}, replicas)


def test_a_training_goes_on_after_its_first_epoch(tmp_path: Path) -> None:
    fitted(tmp_path / "cut", 1)
    resumed, _ = fitted(tmp_path / "cut", 2)
    assert (resumed.current_epoch, resumed.global_step) == (2, 6)
