"""The seeds of a run, from `seeds=5` or a list."""

from collections.abc import Sequence
from typing import Any

from omegaconf import ListConfig

from dnnx.basics.errors import require, shown

MAX_SEEDS = 10_000  # a higher number is a typing error and would fill the memory
COUNT = f"a count of at least 1, at most {MAX_SEEDS:,}, or "


def parse_seeds(seeds: Any, key: str = "seeds") -> list[int]:
    """Return the seeds: `5` means 0 to 4, a list means itself. `key` is the one that UserError names."""
    few = type(seeds) is int and seeds <= MAX_SEEDS
    parsed = list(range(seeds)) if few else seeds if isinstance(seeds, ListConfig | list) else []
    valid = all(type(seed) is int and 0 <= seed < 2**63 for seed in parsed) and len(set(parsed)) == len(parsed)
    require(
        valid and 1 <= len(parsed) <= MAX_SEEDS, key, shown(seeds),
        f"{COUNT if key == 'seeds' else ''}different whole numbers, for example {key}=[3,7]",
    )  # fmt: skip
    return list(parsed)


def seeds_word(seeds: Any) -> str:
    """Return the override for a count or a list of seeds, without spaces.

    >>> seeds_word(5), seeds_word([3, 7])
    ('seeds=5', 'seeds=[3,7]')
    """
    return f"seeds={seeds}".replace(" ", "")


def compact(seeds: Sequence[int]) -> Any:
    """Return the seeds as a count if they are 0, 1, 2, ..., else as a list.

    >>> compact(range(5)), compact([3, 7])
    (5, [3, 7])
    """
    return len(seeds) if list(seeds) == list(range(len(seeds))) else list(seeds)


def union(before: Any, after: Any) -> Any:
    """Return the seeds `before` as they are written, and behind them those that `after` has more.

    >>> union(2, 4), union([3, 7], 2), union(3, [1])
    (4, [3, 7, 0, 1], 3)
    """
    there, wanted = parse_seeds(before), parse_seeds(after)
    more = [seed for seed in wanted if seed not in there]
    return before if not more else after if [*there, *more] == wanted else [*there, *more]
