"""Checks before the first arm that need torch: the metrics of the claims, and a rehearsal of every arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.errors import UserError
from dnnx.studies.metric_names import check_metrics
from dnnx.studies.rehearsal import check_arms


@dataclass(frozen=True)
class Early:
    """What the checks before the first arm find: an error, or the kinds of the arms (dnnx.training.mergeable)."""

    error: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)


def look(
    verdicts: Sequence[Mapping[str, Any]],
    configs: Mapping[str, DictConfig],
    tried: Mapping[str, DictConfig],
    are_arms: bool = True,
) -> Early:
    """Return the error of the first check that fails, or what arms have in common, for a worker.

    `configs` are those of all arms by name, `tried` those of the arms that are to be rehearsed.
    """
    try:
        check_metrics(verdicts, configs)
        return Early(kinds=check_arms(tried, are_arms))
    except UserError as error:
        return Early(str(error))
