"""Train a user's LightningModule unchanged: one plain Lightning training per seed, one after the other."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.seed import isolate_rng
from omegaconf import DictConfig
from torch import Tensor

from dnnx.basics.errors import UserError, message_of, require
from dnnx.basics.seeding import derive
from dnnx.config.build import build, find
from dnnx.config.callbacks import chosen_callbacks
from dnnx.config.plain import OUR_CALLBACKS, OURS
from dnnx.training.callbacks.plain import Follow, Resume
from dnnx.training.plain_metrics import Monitor, choose_monitor, split_of
from dnnx.training.trainer import build_loggers, build_trainer, close_logger
from dnnx.training.unseen import GRADIENT

SEEDED_ENVIRONMENT = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all random numbers inside, as `lightning.seed_everything(seed, workers=True)`; restore them afterwards."""
    before = {name: os.environ.get(name) for name in SEEDED_ENVIRONMENT}
    with isolate_rng():
        pl.seed_everything(seed if seed < 2**32 else derive(seed, "plain") % 2**32, workers=True, verbose=False)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


@dataclass
class Plan:
    """A config whose module was found, tried on one batch of every split, and asked for its metrics."""

    cfg: DictConfig
    folder: Path
    monitor: Monitor = field(init=False)
    tests: bool = field(init=False)  # whether the module has a test step and there is test data
    facts: dict[str, Any] = field(init=False)  # for data.json
    logged: list[str] = field(init=False)  # split/metric of each logged metric
    sizes: tuple[int, int] = field(init=False)  # number of parameters, and of trained ones
    device: torch.device = field(init=False)

    def build(self) -> tuple[pl.LightningModule, pl.LightningDataModule | None]:
        """Return a new module and its data, the data first, as Lightning's template builds them."""
        cfg, data = self.cfg, None
        cls = find("module", cfg.module)
        own = not str(cfg.data.get("_target_")).startswith(OURS)
        has_loader = is_overridden("train_dataloader", cls, pl.LightningModule)
        told = "type data._target_=my_project.MyData, a LightningDataModule: dnnx's own data is for dnnx's networks"
        require(own or has_loader, "data._target_", cfg.data.get("_target_"), told)
        if own:
            data = build("data", cfg.data, pl.LightningDataModule)
        return build("module", cfg.module), data

    def trainer(self, *callbacks: Any, loggers: Sequence[Any] = (), **arguments: Any) -> pl.Trainer:
        return build_trainer(self.cfg.trainer, self.folder, callbacks, loggers, **arguments)

    def callbacks(self) -> list[Any]:
        """Return new instances of the callbacks that the user added."""
        configs = {name: config for name, config in chosen_callbacks(self.cfg).items() if name not in OUR_CALLBACKS}
        return [build(f"callbacks.{name}", config) for name, config in configs.items()]


def prepare(cfg: DictConfig, seeds: Sequence[int], folder: Path) -> Plan:
    """Return the plan of a run after one batch of training, validation and test. Raise UserError if one fails."""
    plan = Plan(cfg, folder)
    with seeded(seeds[0]):
        module, data = plan.build()
        before = Before()
        trainer = plan.trainer(before, *plan.callbacks(), fast_dev_run=True)
        plan.device = trainer.strategy.root_device
        trainer.fit(module, datamodule=data)
        logged = [*trainer.callback_metrics]
        plan.facts = _facts(cfg, trainer)
        own = [*module.parameters()]
        plan.sizes = sum(p.numel() for p in own), sum(p.numel() for p in own if p.requires_grad)
        plan.tests = is_overridden("test_step", module) and is_overridden("test_dataloader", data or module)
        tested = []
        if plan.tests:
            trainer.test(module, datamodule=data, verbose=False)
            tested = [f"test/{split_of(name)[1]}" for name in trainer.callback_metrics]
    plan.monitor = choose_monitor(cfg.monitor, cfg.monitor_mode, logged, before.in_validation)
    plan.logged = ["/".join(split_of(name, before.in_validation)) for name in logged]
    if plan.monitor.key not in plan.logged:
        raise UserError(plan.monitor.absent(logged))
    plan.logged += tested
    return plan


class Before(pl.Callback):
    """Store the names that validation logs, and refuse a loss that trains nothing."""

    in_validation: Sequence[str] = ()

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        require(loss.requires_grad, "module", type(pl_module).__name__, f"{GRADIENT} its training_step")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.before = set(trainer.callback_metrics)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self.in_validation = sorted(set(trainer.callback_metrics) - self.before)


def _facts(cfg: DictConfig, trainer: Any) -> dict[str, Any]:
    """Return the content of data.json: sizes of the splits, and a checksum of the first validation example."""
    sizes, files = {}, {}
    for split, loaders in (("train", trainer.train_dataloader), ("val", trainer.val_dataloaders)):
        flat = CombinedLoader(loaders).flattened if loaders is not None else []
        with suppress(TypeError):  # an iterable dataset has no length
            sizes[split] = sum(len(loader.dataset) for loader in flat)
        if split == "val" and flat:
            files["first validation example"] = _checksum(next(iter(flat[0])))
    target = cfg.data.get("_target_") if not str(cfg.data.get("_target_")).startswith(OURS) else cfg.module._target_
    known = {"source": target, "note": target, "warning": "", "in_shape": [], "class_names": []}
    return {**known, "sizes": sizes, "files": files}


def _checksum(batch: Any) -> str:
    digest = hashlib.sha256()
    for tensor in _tensors(batch):
        example = tensor[:1].detach().cpu()
        digest.update(f"{tuple(example.shape)}{example.dtype}".encode())
        digest.update(example.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _tensors(batch: Any) -> Iterator[Tensor]:
    inner = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, list | tuple) else ()
    yield from [batch] if isinstance(batch, Tensor) and batch.dim() else ()
    for part in inner:
        yield from _tensors(part)


def train_seed(plan: Plan, seed: int, follow: Follow, *shown: Any) -> float:
    """Train the network of one seed to its end, from its last checkpoint if there is one; return the seconds of this
    call.

    `follow` then holds its curves and best weights.
    """
    cfg, started = plan.cfg, time.perf_counter()
    where = plan.folder / "checkpoints" / f"seed_{seed}"
    own = {
        str(name): value for name, value in chosen_callbacks(cfg).get("checkpoint", {}).items() if name != "_target_"
    }
    with seeded(seed):
        module, data = plan.build()
        resume = Resume(where, follow, **own)
        trainer = plan.trainer(
            resume, *plan.callbacks(), follow, *shown,
            loggers=_loggers(plan, seed, (where / "last.ckpt").exists()), enable_checkpointing=True,
        )  # fmt: skip
        trainer.fit(module, datamodule=data)
        for logger in trainer.loggers:
            close_logger(logger)
    return time.perf_counter() - started


def _loggers(plan: Plan, seed: int, resumed: bool) -> list[Any]:
    """Return TensorBoard's logger and the user's, each with its own version for this seed."""
    version = f"seed_{seed}{'_resumed' if resumed else ''}"
    board = TensorBoardLogger(str(plan.folder), name="tensorboard", version=f"seed_{seed}")
    return [board, *build_loggers(plan.cfg, plan.folder, version)]


class Weights(pl.Callback):
    """Load saved weights into a module after Lightning has set it up."""

    def __init__(self, state: dict[str, Tensor]):
        self.state = state

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        try:
            pl_module.load_state_dict(self.state)
        except RuntimeError as error:
            raise UserError(f"the saved weights are not of this module: {message_of(error)}") from None


def test_seed(plan: Plan, seed: int, state: dict[str, Tensor]) -> tuple[dict[str, float], float]:
    """Return the test metrics of one seed's weights by `test/name`, and the seconds of testing."""
    with seeded(seed):
        module, data = plan.build()
        trainer = plan.trainer(Weights(state))
        started = time.perf_counter()
        trainer.test(module, datamodule=data, verbose=False)
        seconds = time.perf_counter() - started
    named = {split_of(name): value for name, value in trainer.callback_metrics.items()}
    return {f"test/{metric}": float(value) for (_, metric), value in named.items()}, seconds
