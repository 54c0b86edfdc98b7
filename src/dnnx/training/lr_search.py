"""Search the learning rate of a run before it starts: a range test, and a small grid judged on validation images."""

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, check_arguments, is_number, require
from dnnx.config.build import find
from dnnx.config.resume import save_config
from dnnx.config.trainer import MAX_EPOCHS
from dnnx.optim.schedules import scale_rates
from dnnx.runs.files import write_text
from dnnx.training.assemble import assemble
from dnnx.training.callbacks.early_stopping import EarlyStopping

Curve = tuple[list[float], Tensor]  # rates [K], and losses [K, R] of each rate and seed
RATE = "${optimizer.lr}"
SMOOTH = 0.05  # share of a range test's steps over which losses are averaged
BELOW = 10  # the suggestion is the rate of lowest loss divided by this
HIGHEST = 1e6  # largest rate, and largest factor


@dataclass(frozen=True)
class Settings:
    """The settings in conf/lr_search."""

    min: float
    max: float
    steps: int
    epochs: int = 1
    factors: list[float] | None = None
    rates: list[float] | None = None

    def __post_init__(self) -> None:
        valid = _is_rate(self.min) and _is_rate(self.max) and self.min < self.max
        require(
            valid,
            "lr_search.min",
            self.min,
            f"a rate above 0 and below lr_search.max={self.max}, which is at most {HIGHEST:g}",
        )
        for name, least, most in (("steps", 20, 100_000), ("epochs", 1, MAX_EPOCHS)):
            value = getattr(self, name)
            valid = type(value) is int and least <= value <= most
            require(valid, f"lr_search.{name}", value, f"a whole number from {least} to {most:,}")
        for name in ("factors", "rates"):
            values = getattr(self, name)
            valid = values is None or (isinstance(values, list) and bool(values) and all(map(_is_rate, values)))
            told = f"a list of numbers above 0 and up to {HIGHEST:g}, for example lr_search.{name}=[0.1,1]"
            require(valid, f"lr_search.{name}", values, told)


def search(cfg: DictConfig, seeds: list[int], folder: Path) -> DictConfig:
    """Return the config with the found rate as optimizer.lr; write lr_search.csv and figures to `folder`.

    The search trains its own networks. The run is therefore the same as one with this rate typed.
    """
    given: Any = OmegaConf.to_container(cfg.lr_search, resolve=True)
    check_arguments("lr_search", Settings, given)
    wanted, curves = Settings(**given), {}
    schedule: Any = OmegaConf.to_container(cfg, resolve=False)
    most = schedule["scheduler"].get("max_lr", RATE)
    require(most == RATE, "scheduler.max_lr", most, "the rate that lr_search finds goes there; leave it out")
    rates = wanted.rates
    if rates is not None:
        assemble(cfg, seeds, folder)  # a mistake shows before minutes of searching, as it does in a range test
    else:
        console.print(f"learning rate: {wanted.steps} steps from {wanted.min:g} to {wanted.max:g}")
        curves["range"] = range_test(cfg, seeds, folder, wanted)
        rate, why = suggest(*curves["range"]), f"1/{BELOW} of the rate at which the loss turns up in a range test"
        rates = [float(f"{rate * factor:.2g}") for factor in wanted.factors or ()]
    if rates := sorted(set(rates)):
        shown = ", ".join(f"{rate:g}" for rate in rates)
        console.print(f"learning rate: {wanted.epochs} epochs at each of {shown}, all at once", soft_wrap=True)
        curves["grid"] = grid(cfg, seeds, folder, rates, wanted.epochs)
        rate, why = choose(*curves["grid"])
    cfg = cfg.copy()
    cfg.optimizer.lr = rate
    folder.mkdir(parents=True, exist_ok=True)
    gc.collect()  # trainer, module and data refer to each other, and the run needs the memory
    table = _table(seeds, curves)
    draw(folder, cfg, table)
    save_config(cfg, folder / "config.yaml")
    write_text(folder / "lr_search.csv", table)  # last: a run of shards has its config.yaml before the search
    console.print(f"optimizer.lr={rate:g}: {why}", soft_wrap=True)
    return cfg


def range_test(cfg: DictConfig, seeds: list[int], folder: Path, wanted: Settings) -> Curve:
    """Return the training loss of each batch while each step multiplies the rate by a constant factor (Smith 2017)."""
    data, module, trainer = assemble(cfg, seeds, folder)
    module.to(trainer.strategy.root_device)
    module.begin(data)
    optimizer = module.make_optimizer()
    rates = torch.logspace(math.log10(wanted.min), math.log10(wanted.max), wanted.steps, dtype=torch.float64).tolist()
    losses = []
    for rate, batch in zip(rates, _batches(data), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses.append(module.learn(batch, optimizer)[-1].mean(-1).cpu())
    return rates, torch.stack(losses)


def _batches(data: Any) -> Iterator[Any]:
    """Yield training batches without end."""
    for epoch in count():
        data.trainer = SimpleNamespace(current_epoch=epoch)
        for chunk in data.train_dataloader():
            yield from chunk


def suggest(rates: Sequence[float], losses: Tensor) -> float:
    """Return a tenth of the rate at which a seed's smoothed loss is lowest (Geron), the geometric mean over seeds.

    It is rounded to two digits. Raise UserError if a loss was never finite.
    """
    half = max(1, round(SMOOTH * len(rates) / 2))
    finite = torch.where(losses.isfinite(), losses, torch.inf).double()
    smooth = torch.stack([finite[max(0, i - half) : i + half + 1].mean(0) for i in range(len(rates))])
    require(
        bool(smooth.isfinite().any(0).all()), "lr_search.min", rates[0],
        "the loss is not finite even there; type a lower one",
    )  # fmt: skip
    least = torch.tensor(rates, dtype=torch.float64)[smooth.argmin(0)]
    return float(f"{least.log().mean().exp() / BELOW:.2g}")


def grid(cfg: DictConfig, seeds: list[int], folder: Path, rates: list[float], epochs: int) -> Curve:
    """Return the best validation loss of every seed at each rate: seeds times rates are one batched network.

    A schedule with a known length fits into these epochs, in which nothing is pruned. A diverged seed has infinite
    loss.
    """
    cfg = cfg.copy()
    cfg.trainer.max_epochs = epochs
    cfg.optimizer.lr = max(rates)
    cfg.techniques = {name: value for name, value in cfg.techniques.items() if not _is_skipped(value)}
    cfg.callbacks = {name: cfg.callbacks[name] for name in ("early_stopping", "progress") if name in cfg.callbacks}
    cfg.callbacks.early_stopping.patience = epochs
    data, module, trainer = assemble(cfg, seeds * len(rates), folder)
    scale = torch.tensor(rates, dtype=torch.float64).repeat_interleave(len(seeds)) / max(rates)
    module.optimizer = scaled(module.optimizer, scale)
    trainer.fit(module, datamodule=data)
    stopping = EarlyStopping.of(trainer)
    losses = torch.where(stopping.diverged_epoch > 0, torch.inf, stopping.best_loss)
    return rates, losses.view(len(rates), len(seeds))


def _is_skipped(technique: DictConfig) -> bool:
    """Return whether a search trains without this technique, for example pruning."""
    return getattr(find("techniques", technique), "skipped_in_search", False)


def scaled(factory: Callable[..., torch.optim.Optimizer], scale: Tensor) -> Callable[..., torch.optim.Optimizer]:
    """Return the optimizer factory with the rate of replica r multiplied by scale[r]."""

    def make(parameters: Any) -> torch.optim.Optimizer:
        optimizer = factory(parameters)
        scale_rates(optimizer, scale)
        return optimizer

    return make


def choose(rates: Sequence[float], losses: Tensor) -> tuple[float, str]:
    """Return the rate with the lowest mean loss over seeds, and a note on it. Raise UserError if no rate has a finite
    mean.
    """
    means = losses.double().mean(1)
    if not means.isfinite().any():
        raise UserError(
            f"lr_search: at each of the rates {list(rates)} a seed diverged; type lower lr_search.rates=..."
        )
    best = rates[int(means.argmin())]
    why = f"of {len(rates)} rates the one with the least validation loss, {means.min():.4f}"
    if best in (min(rates), max(rates)):
        why += f"; none {'higher' if best == max(rates) else 'lower'} was tried"
    return best, why


def draw(folder: Path, cfg: DictConfig, table: str) -> None:
    """Write lr_search.png and .svg of the run in `folder`, whose lr_search.csv is to hold `table`."""
    import pandas as pd

    from dnnx.reports.figures import drawing, lr_search
    from dnnx.runs.run import Run

    run = Run(cfg.arm or cfg.name, folder)
    run.config, run.lr_search = {"optimizer": {"lr": cfg.optimizer.lr}}, pd.read_csv(StringIO(table))
    drawing.save(lambda: lr_search.draw([run]), folder, "lr_search")


def _is_rate(value: Any) -> bool:
    return is_number(value) and 0 < value <= HIGHEST


def _table(seeds: list[int], curves: dict[str, Curve]) -> str:
    rows = [
        f"{stage},{rate:.8g},{seed},{loss!r}\n"
        for stage, (rates, losses) in curves.items()
        for rate, row in zip(rates, losses.tolist(), strict=True)
        for seed, loss in zip(seeds, row, strict=True)
    ]
    return "stage,lr,seed,loss\n" + "".join(rows)
