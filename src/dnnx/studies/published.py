"""Published numbers of a study's arms, which its report draws beside the seeds."""

import math
from typing import Any

from omegaconf import OmegaConf

from dnnx.basics.errors import choose, is_number, require, shown


def published_numbers(study: Any) -> dict[str, list[float]]:
    """Return the published numbers of each arm in the unit of the main metric, such as percent, from `study.published`.

    Raise UserError for an arm that is none, and for a value that is neither a number nor a list of numbers.

    Example: `published: {bn: 99.49, dropout: [98.62, 98.89]}`
    """
    plain: Any = OmegaConf.to_container(study, resolve=True) if OmegaConf.is_config(study) else study
    given = plain.get("published") or {}
    require(isinstance(given, dict), "study.published", shown(given), "a mapping such as {bn: 99.49}")
    found = {}
    for arm, value in given.items():
        choose("study.published", arm, dict.fromkeys(plain["arms"]))
        numbers = value if isinstance(value, list) else [value]
        valid = bool(numbers) and all(is_number(number) and math.isfinite(number) for number in numbers)
        require(valid, f"study.published.{arm}", shown(value), "a number, or a list of numbers such as [98.62,98.89]")
        found[str(arm)] = [float(number) for number in numbers]
    return found
