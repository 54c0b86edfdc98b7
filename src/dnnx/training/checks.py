"""Checks of training itself: steps, seeds, optimizer, schedule, best weights."""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dnnx.basics.at_work import Check, must
from dnnx.optim.schedules import Performance, rates
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.ways import state_of

TOLERANCE = 1e-3  # relative, between two measurements of a validation loss in different batches
HALF = 0.05  # the same in 16-bit training
APART = 1e-4  # smallest distance between the weights of two seeds, as a share of their norm
MAX_COMPARED = 100  # seeds
MOMENTUM = ("lr", "momentum", "betas")  # settings that a schedule moves


def trained(run: Any) -> None:
    batches = len(run.data.train_dataloader().batches)
    expected = batches * run.trainer.current_epoch
    must(run.steps == expected, f"{run.steps} steps were taken in {run.trainer.current_epoch} epochs of {batches}")
    moved = torch.stack([run.moved(name) for name in run.trainable()]).any(0)
    still = (~moved).nonzero()[:, 0].tolist()
    must(moved.all(), f"the weights of replicas {still} are as they started; are the steps too small?")


def seeds(run: Any) -> None:
    """Check that seeds do not start and end alike: replicas with one random stream would, up to rounding.

    It is a fact, and no error, that seeds end alike where the net draws nothing, and where all starts lead to the one
    optimum of a linear model.
    """
    alike = _alike(run, run.end)
    if (alike & _alike(run, run.start)).any():
        must(draws_nothing(run.module.build), "two of them started and ended with the same weights")


def _alike(run: Any, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return which pairs of seeds have the same weights, [R, R]."""
    weights = torch.cat([state[name].flatten(1) for name in run.trainable()], 1)[:MAX_COMPARED]
    apart = torch.cdist(weights, weights, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(math.inf)
    return apart < APART * weights.norm(dim=1)


def draws_nothing(build: Callable[[], nn.Module]) -> bool:
    """Return whether a net starts from the same state whatever the random numbers."""
    states = []
    with torch.random.fork_rng(devices=[]):
        for number in (0, 1):
            torch.manual_seed(number)
            states.append(state_of(build()))
    one, other = states
    return all(torch.equal(value, other[name]) for name, value in one.items())


def optimizer(run: Any) -> None:
    [own], given = run.trainer.optimizers, run.cfg.optimizer
    kind = given._target_.rpartition(".")[2]
    must(type(own).__name__ == kind, f"it was a {type(own).__name__}")
    for group in own.param_groups:
        for name in set(given) & set(group) - set(MOMENTUM):
            must(group[name] == given[name], f"its {name} was {group[name]}")


def schedule(run: Any) -> None:
    """Check that the recorded learning rates equal those of the schedule, computed again from the config."""
    module, ids = run.module, run.module.seeds
    plain = torch.optim.SGD([nn.Parameter(torch.zeros(len(ids)))], lr=run.cfg.optimizer.lr, momentum=0.9)
    follows = module.scheduler(plain)
    plain.step()  # torch warns if the schedule steps first
    times = module.scheduler.keywords.get("steps_per_epoch", 1)
    losses, recorded = run.recorded["val/loss"], run.recorded["optimizer/lr"]
    for epoch in range(1, run.trainer.current_epoch + 1):
        for seed, rate in zip(ids, rates(plain, len(ids))["lr"].tolist(), strict=True):
            found = recorded.get((seed, epoch), rate)  # a finished seed has no record
            must(
                math.isclose(found, rate, rel_tol=1e-6), f"seed {seed} had {found:g} in epoch {epoch} and not {rate:g}"
            )
        for _ in range(times):
            if isinstance(follows, Performance):
                follows.step(torch.tensor([losses.get((seed, epoch), math.inf) for seed in ids]))
            else:
                follows.step()


def best_weights(run: Any) -> None:
    """Check that the tested weights have the lowest recorded validation loss of each seed."""
    tolerance = TOLERANCE if str(run.trainer.precision).startswith("32") else HALF
    patience = EarlyStopping.of(run.trainer).patience
    curves: dict[int, dict[int, float]] = defaultdict(dict)
    for (seed, epoch), loss in run.recorded["val/loss"].items():
        curves[seed][epoch] = loss
    of_seeds = zip(*(run.metrics[name] for name in ("seeds", "epoch/best", "epoch/last", "val/loss")), strict=True)
    for (seed, best, last, tested), gone in zip(of_seeds, run.metrics["epoch/diverged"], strict=True):
        if gone is None:
            least = min(loss for epoch, loss in curves[seed].items() if epoch >= run.module.first_epoch)
            told = f"seed {seed} was tested with a validation loss of {tested:g}, its least is {least:g}"
            must(math.isclose(tested, least, rel_tol=tolerance, abs_tol=1e-6), told)
            must(curves[seed][best] == least, f"epoch {best} of seed {seed} has not its least validation loss")
            must(last - best <= patience, f"seed {seed} went on for {last - best} epochs after its best")


def mc_dropout(run: Any) -> None:
    must(run.metrics["mc/nll"] != run.metrics["test/nll"], "its passes are all the one without dropout")


TRAINING_CHECKS = (
    Check("trainer", lambda cfg: True, after=trained),
    Check("seeds", lambda cfg: not isinstance(cfg.seeds, int) or cfg.seeds > 1, after=seeds),
    Check("optimizer", lambda cfg: True, after=optimizer),
    Check("scheduler", lambda cfg: "lr" in cfg.optimizer, after=schedule),
    Check("callbacks.early_stopping", lambda cfg: True, after=best_weights),
    Check("mc_dropout", lambda cfg: cfg.get("mc_dropout"), after=mc_dropout),
)
