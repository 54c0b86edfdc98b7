"""The user's metrics: any function in the style of scikit-learn or torchmetrics, named in a config.

Example: `+metrics.balanced_accuracy=sklearn.metrics.balanced_accuracy_score`, or with a unit and a direction
`'+metrics.kappa={_target_: sklearn.metrics.cohen_kappa_score, weights: linear, better: higher}'`.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from dnnx.basics.errors import UserError, choose, require, shown
from dnnx.config.build import build, find, naming
from dnnx.config.trust import ARGUMENTS, is_metric
from dnnx.tasks.metric import Metric
from dnnx.tasks.task import Task

STYLES = "(y_true, y_pred) as in scikit-learn, (preds, target) as in torchmetrics, or (outputs, y) for plain tensors"


def build_metrics(cfg: DictConfig) -> dict[str, Metric]:
    """Return the metrics that `cfg.metrics` names. Raise UserError for one that is no metric.

    A metric without `unit` is a plain number, one without `better` has no direction.
    """
    nodes: Any = OmegaConf.to_container(cfg.get("metrics") or OmegaConf.create(), resolve=True)
    require(isinstance(nodes, dict), "metrics", shown(nodes), "names with functions, as in metrics.f1=my_metrics.f1")
    return {name: _build(f"metrics.{name}", node) for name, node in nodes.items()}


def add_metrics(task: Task, metrics: Mapping[str, Metric]) -> None:
    """Add metrics to a task. Raise UserError if it has a metric of the same name."""
    for name in metrics:
        require(name not in task.metrics, f"metrics.{name}", "...", f"{type(task).__name__} measures {name} already")
    if metrics:
        task.metrics = {**task.metrics, **metrics}


def _build(key: str, node: Any) -> Metric:
    node = dict(node) if isinstance(node, Mapping) else {"_target_": node}
    unit, better = node.pop("unit", ""), node.pop("better", None)
    require(isinstance(unit, str), f"{key}.unit", shown(unit), 'a text, "%" for a share in percent')
    if better is not None:
        choose(f"{key}.better", better, {"higher": None, "lower": None})
    is_class = isinstance(find(key, node, ()), type)
    made = build(key, node, (), factory=not is_class)
    return Metric(_adapted(key, made), unit, better)


def _adapted(key: str, function: Any) -> Callable[[Tensor, Tensor], Any]:
    """Return a function of outputs [N, ...] and targets [N, ...] of a split that calls `function` in its own style."""
    plain: Any = function.func if isinstance(function, partial) else function
    is_metric_object = not isinstance(function, partial)
    try:
        first = [*inspect.signature(plain.update if is_metric_object else plain).parameters][:2]
    except (AttributeError, TypeError, ValueError):
        first = []
    if first not in ARGUMENTS and not is_metric(plain):
        path = f"{getattr(plain, '__module__', '')}.{getattr(plain, '__qualname__', type(plain).__name__)}"
        raise UserError(f"{key}={path}: its first arguments must be {STYLES}")

    def measured(outputs: Tensor, y: Tensor) -> Any:
        with naming(key, plain):
            if is_metric_object:
                function.reset()
            return _number(key, function(*_in_style(first, outputs.detach().cpu(), y.detach().cpu())))

    return measured


def _in_style(first: list[str], outputs: Tensor, y: Tensor) -> tuple[Any, Any]:
    """Return the two arguments of a metric. Logits [N, C, ...] of labels [N, ...] become classes or probabilities."""
    if first == ["outputs", "y"]:
        return outputs, y
    has_classes = not y.is_floating_point() and outputs.dim() == y.dim() + 1
    if not has_classes and outputs.numel() == y.numel():
        outputs = outputs.view_as(y)
    if first[:1] != ["y_true"]:
        return outputs, y
    if not has_classes:
        return y.numpy(), outputs.numpy()
    if first[1] == "y_pred":
        return y.flatten().numpy(), outputs.argmax(1).flatten().numpy()
    probabilities = outputs.double().softmax(1).movedim(1, -1).flatten(0, -2)
    return y.flatten().numpy(), (probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities).numpy()


def _number(key: str, value: Any) -> Any:
    """Return a number or a list of numbers in a form that JSON holds."""
    found = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    require(found.dim() <= 2, key, tuple(found.shape), "a metric is a number, or a list of them")
    return found.tolist()
