"""Checks before the first arm that need torch: the metrics of the claims, and a rehearsal of every arm."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.errors import UserError
from dnnx.studies.metric_names import check_metrics
from dnnx.studies.rehearsal import check_arms


def early_error(
    verdicts: Sequence[Mapping[str, Any]],
    configs: Mapping[str, DictConfig],
    tried: Mapping[str, DictConfig],
    are_arms: bool = True,
) -> str | None:
    """Return the error of the first check that fails, for a worker; None if there is none.

    `configs` are those of all arms by name, `tried` those of the arms that are to be rehearsed.
    """
    try:
        check_metrics(verdicts, configs)
        check_arms(tried, are_arms)
    except UserError as error:
        return str(error)
    return None
