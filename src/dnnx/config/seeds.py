"""The seeds of a run, from `seeds=5` or a list."""

from typing import Any

from omegaconf import ListConfig

from dnnx.basics.errors import require, shown

MOST_SEEDS = 10_000  # a higher number is a typing error and would fill the memory


def parse_seeds(seeds: Any) -> list[int]:
    """Return the seeds: `5` means 0 to 4, a list means itself."""
    few = type(seeds) is int and seeds <= MOST_SEEDS
    parsed = list(range(seeds)) if few else seeds if isinstance(seeds, ListConfig | list) else []
    valid = all(type(seed) is int and 0 <= seed < 2**63 for seed in parsed) and len(set(parsed)) == len(parsed)
    require(
        valid and 1 <= len(parsed) <= MOST_SEEDS, "seeds", shown(seeds),
        f"a count of at least 1, at most {MOST_SEEDS:,}, or different whole numbers, for example seeds=[3,7]",
    )  # fmt: skip
    return list(parsed)
