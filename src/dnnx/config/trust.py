"""Trust: the code that a run folder may name. Imports torch only to inspect a class of a typed package.

A person's own words and configs are trusted. A run folder, a study.json or a best.yaml may come from a stranger: each
may name the exact targets of conf/ and nothing else. Typing `packages=[my_nets]` opens one package. Of it only classes
of the kind that a group needs are allowed, never a function.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, ListConfig, OmegaConf

from dnnx.basics.errors import UserError, require, shown, takes
from dnnx.config.build import BASES, bases_of
from dnnx.config.locate import locate
from dnnx.config.overrides import key_of
from dnnx.config.paths import CONF

# Mappings with `_target_` inside the arguments of another: objects that are usually passed to a constructor.
NESTED = ("torch.nn.Module", "torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler", "torchmetrics.Metric")


def limit(config: Any, packages: Iterable[str], trusted: Any = None) -> None:
    """Raise UserError for the first target in a folder's config that is neither in conf/ nor in a typed package.

    `trusted` is a config that was typed; its targets are allowed too.
    """
    typed = {*map(str, targets(trusted).values())} if trusted is not None else set()
    for key, target in targets(config).items():
        require(isinstance(target, str), key, shown(target), "the path of a class")
    foreign = {key: target for key, target in _foreign(config).items() if target not in typed}
    needed = [*dict.fromkeys(target.partition(".")[0] for target in foreign.values())]
    for key, target in foreign.items():
        if target.partition(".")[0] not in {*packages}:
            opened = f"'packages=[{','.join(needed)}]'"
            told = f"the folder names this code, which is not of dnnx; type {opened} if it is yours or you trust it"
            raise UserError(f"{key}={target}: {told}")
    for key, target in foreign.items():
        _require_kind(key, target, target.partition(".")[0])


def needed_packages(config: Any) -> list[str]:
    """Return the packages to type when a run of this config is resumed, for example ["my_nets"]."""
    return [*dict.fromkeys(str(target).partition(".")[0] for target in _foreign(config).values())]


def _foreign(config: Any) -> dict[str, Any]:
    """Return the targets of a config that the files of conf/ do not name there."""
    return {key: name for key, name in targets(config).items() if name not in known_targets() or _is_nested(key)}


def check_run(cfg: DictConfig, words: Sequence[str] | None = None) -> None:
    """Raise UserError if `packages` was not typed, or if a resumed run names forbidden code.

    `words` are the overrides of the job; None: those of Hydra's current job. A study.json repeats earlier typed words,
    so a resumed run is limited however its config was composed.
    """
    within_command = words is not None or HydraConfig.initialized()
    overrides = list(HydraConfig.get().overrides.task) if words is None and within_command else list(words or [])
    packages = typed_packages(overrides) if within_command else list(cfg.packages)
    found = list(cfg.packages)
    require(found == packages, "packages", found, "it is typed on the command line, never read from a file")
    if is_resumed(overrides) if within_command else cfg.resume is not None:
        limit(cfg, packages)


def is_resumed(words: Sequence[str]) -> bool:
    """Return whether the words of a job go on with a folder, which somebody else may have made."""
    return any(word.startswith("resume=") for word in words)


def _is_nested(key: str) -> bool:
    """Return whether the target at `key` is inside the arguments of another."""
    return key.count(".") > (2 if key.split(".")[0] in ("callbacks", "techniques", "logger") else 1)


def _require_kind(key: str, target: str, top: str) -> None:
    """Raise UserError unless `target` is a class of the package `top` and of the kind that its group needs."""
    found, group = locate(key, target), key.split(".")[0]
    if group == "metrics":
        styles = "(y_true, y_pred), (preds, target) or (outputs, y)"
        valid, kinds = is_metric(found), f"torchmetrics.Metric, or a function of {styles}"
    elif group == "baseline" and not _is_nested(key):
        valid = is_estimator(found) and not takes(found, "memory")  # a folder from which joblib reads pickles
        kinds = "class with fit and predict, without the argument memory"
    else:
        known = group in BASES and not _is_nested(key)
        bases, kinds = bases_of(group) if known else (tuple(locate(key, path) for path in NESTED), " or ".join(NESTED))
        valid = isinstance(found, type) and issubclass(found, bases)
    inside = str(getattr(found, "__module__", "")).partition(".")[0] == top
    require(valid and inside, key, target, f"named by a run folder, it must be defined in {top} and be a {kinds}")


def targets(config: Any) -> dict[str, Any]:
    """Return every `_target_` in a config by key, and every function that `metrics` names by path alone.

    Example: {"net._target_": "my_nets.SmallConv", "metrics.balanced": "sklearn.metrics.balanced_accuracy_score"}
    """
    plain = OmegaConf.to_container(config) if isinstance(config, DictConfig | ListConfig) else config
    return dict(_walk(plain, ""))


def _walk(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            path = f"{key}.{name}" if key else str(name)
            if name == "_target_" or (key == "metrics" and not isinstance(inner, Mapping)):
                yield path, inner
            else:
                yield from _walk(inner, path)
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            yield from _walk(inner, f"{key}.{i}")


@cache
def known_targets() -> frozenset[str]:
    """Return the targets that the files of conf/ name."""
    texts = (path.read_text() for path in sorted(CONF.rglob("*.yaml")))
    return frozenset(name for text in texts for name in re.findall(r"^\s*_target_: *([\w.]+)", text, re.MULTILINE))


def typed_packages(overrides: Sequence[str]) -> list[str]:
    """Return the packages in `packages=[...]` among overrides. Raise UserError for anything but package names."""
    texts = [text for text in overrides if re.match(r"\+{0,2}packages=", text)]
    for override in OverridesParser.create().parse_overrides(texts[-1:]):
        value: Any = override.value()
        names = [str(name) for name in value] if isinstance(value, list) else []
        valid = isinstance(value, list) and all(re.fullmatch(r"[^\W\d]\w*", name) for name in names)
        require(valid, "packages", shown(value), "a list of packages that you trust, for example packages=[my_nets]")
        return names
    return []


def require_none_in_files(overrides: Iterable[str]) -> None:
    """Raise UserError if an arm, an axis or a best.yaml sets `packages`: no file can declare itself trusted."""
    for override in overrides:
        is_it = key_of(override).startswith("packages")
        require(not is_it, "packages", "...", "it is typed on the command line, never read from a file")


def is_metric(function: Any) -> bool:
    """Return whether a function or class has the arguments of a metric of scikit-learn, torchmetrics or dnnx."""
    if isinstance(function, type):
        return issubclass(function, locate("metrics", "torchmetrics.Metric"))
    try:
        first = [*inspect.signature(function).parameters][:2]
    except (TypeError, ValueError):
        return False
    return first in ARGUMENTS


def is_estimator(found: Any) -> bool:
    """Return whether this is a class that is fitted and predicts, as those of scikit-learn are."""
    return isinstance(found, type) and hasattr(found, "fit") and hasattr(found, "predict")


ARGUMENTS = (
    ["y_true", "y_pred"], ["y_true", "y_score"], ["y_true", "y_prob"], ["y_true", "y_proba"], ["preds", "target"],
    ["outputs", "y"],
)  # fmt: skip
