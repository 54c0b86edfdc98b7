"""The metrics of claims: a name that no run measures, or a margin beyond its scale, is an error before any training."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import UserError, near_misses, require
from dnnx.config.build import build
from dnnx.config.callbacks import chosen_callbacks
from dnnx.config.paths import CONF, options
from dnnx.config.plain import is_plain
from dnnx.runs.about import SHARES, SPLITS, split_of
from dnnx.studies.claims import declared_verdicts

# Names of results.json that every run has, or has where a weight is zero or frozen layers are cached.
FACTS = (
    "epoch/best", "epoch/last", "epoch/diverged", "time/fit_s", "time/epoch_s", "time/test_s", "time/cache_s",
    "time/dense_s", "time/sparse_s", "memory/peak_mb", "params/total", "params/trainable", "sparsity",
    "size/dense_bytes", "size/sparse_bytes",
)  # fmt: skip
# Measured by callbacks=layer_statistics.
OF_LAYERS = ("dead/share", "equal/share", "gradient/start", "activation/mean")


def check_metrics(verdicts: Sequence[Mapping[str, Any]], configs: Mapping[str, DictConfig]) -> None:
    """Raise UserError for a metric of a verdict that its arm does not measure, or a margin beyond its scale.

    `configs` are those of the arms. Names are known without training for dnnx's networks. A LightningModule's are known
    after its first batch.
    """
    known: dict[str, set[str] | None] = {}
    for arm, metric in _sides(verdicts):
        if arm not in configs or is_plain(configs[arm]):
            continue
        if arm not in known:
            with suppress(UserError):  # its job will say what is wrong with its task
                known[arm] = names_of(configs[arm])
        require_measured(metric, arm, known.get(arm))
        if known.get(arm) is not None:
            _check_goal(metric, configs[arm])
    for verdict in verdicts:
        if verdict.get("same") is not None and known.get(verdict["arm"]) is not None:
            _check_margin(verdict["metric"], verdict["same"], configs[verdict["arm"]])


def _check_goal(metric: str, config: DictConfig) -> None:
    """Raise UserError for a goal out of reach: a share above 1, or an epoch of the test set, which has no curve."""
    from dnnx.reports.goals import parse_goal

    goal = parse_goal(metric)
    if goal is None:
        return
    split, name = split_of(goal.metric)
    if goal.kind == "epoch" and split == "test":
        told = "the test set is measured once, after training; type"
        raise UserError(f"study.claims.{metric}: {told} epoch/val/{name}{goal.sign}{goal.bound:g}")
    found = _task_of(config).metrics.get(name)
    if found is not None and found.unit in SHARES and goal.bound > 1:
        told = f"{goal.metric} is a share from 0 to 1; type"
        raise UserError(f"study.claims.{metric}: {told} {goal.kind}/{goal.metric}{goal.sign}{goal.bound / 100:g}")


def _check_margin(metric: str, same: float, config: DictConfig) -> None:
    """Raise UserError for a margin of 100 points or more of a metric that only its task knows to be a share."""
    split, name = split_of(metric)
    found = _task_of(config).metrics.get(name) if split in SPLITS else None
    valid = found is None or found.unit not in SHARES or same < 100
    require(valid, f"study.claims.{metric}.same", same, "a margin is below 100 points, such as 0.1")


def check_logged(config: DictConfig, logged: Iterable[str]) -> None:
    """Raise UserError for a metric of a claim that a LightningModule did not log in its first batches."""
    from dnnx.reports.measures import DERIVED

    for arm, metric in _sides(declared_verdicts(config.study) if config.arm is not None else []):
        if arm == config.arm:
            require_measured(metric, arm, [*logged, *FACTS, *DERIVED])


def require_measured(metric: str, arm: str, known: Collection[str] | None) -> None:
    """Raise UserError unless `metric`, or the one of a goal, is among the known names; None accepts every name."""
    name = _of_goal(metric)
    if known is None or name in known:
        return
    if metric in OF_LAYERS:
        raise UserError(f"study.claims.{metric}: {arm} does not measure it; type callbacks=layer_statistics")
    near = near_misses(name, known)
    others = ", ".join(name for name in known if name.startswith("test/")) if not near else ""
    also = f"; it measures {others}, and more: docs/run-folder.md" if others else near
    tasks = " or ".join(f"task={task}" for task in _tasks_with(name))
    also = f"; {tasks} does, so type it if that is the task" if tasks else also
    raise UserError(f"study.claims.{metric}: the arm {arm} measures no such metric{also}")


def _tasks_with(metric: str) -> list[str]:
    """Return the tasks of conf/ that measure test/<name>."""
    split, _, name = metric.partition("/")
    tasks = {option: build("task", OmegaConf.load(CONF / "task" / f"{option}.yaml")) for option in options("task")}
    return [option for option, task in tasks.items() if split == "test" and name in task.metrics]


def names_of(config: DictConfig) -> set[str] | None:
    """Return the names of all metrics of a run; None if only its own task knows them."""
    from dnnx.evaluation.mc_dropout import ABOUT  # torch from here on
    from dnnx.reports.measures import DERIVED

    task = _task_of(config)
    if not type(task).measure.__module__.startswith("dnnx."):
        return None
    names = {*FACTS, *DERIVED, *(f"test/{name}" for name in task.metrics)}
    names |= {f"{split}/{name}" for split in ("train", "val") for name in task.curves}
    names |= {f"ensemble/{name}" for name in (*task.ensemble_metrics(), "threshold") if name in task.metrics}
    names -= set() if "layer_statistics" in chosen_callbacks(config) else set(OF_LAYERS)
    return names | ({*ABOUT, "time/mc_s"} if config.get("mc_dropout") else set())


def _task_of(config: DictConfig) -> Any:
    """Return the task of a config with the metrics of the user's."""
    from dnnx.tasks.own_metrics import add_metrics, build_metrics  # torch from here on

    task = build("task", config.task)
    add_metrics(task, build_metrics(config))
    return task


def _of_goal(metric: str) -> str:
    """Return the metric of a goal, such as val/loss of `epoch/val/loss<0.1`, or any other metric itself."""
    from dnnx.reports.goals import parse_goal

    goal = parse_goal(metric)
    return goal.metric if goal else metric


def _sides(verdicts: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each arm of a verdict with its metric."""
    for verdict in verdicts:
        yield verdict["arm"], verdict["metric"]
        yield verdict["than"], verdict.get("than_metric", verdict["metric"])
