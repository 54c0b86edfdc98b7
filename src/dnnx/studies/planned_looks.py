"""The plan of a study that goes on until it is decided: at how many seeds it looks, and with which seeds."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from dnnx.basics.errors import UserError, choose, require, shown
from dnnx.config.overrides import parse
from dnnx.config.seeds import MAX_SEEDS, parse_seeds
from dnnx.studies.claims import declared_verdicts

UNTIL = {"decided": None}
LOOKS = "whole numbers of seeds that increase, from 2 on, such as [5,10,20,40,80]"
CLAIM = """'+study.claims={test/accuracy: "bn > plain"}'"""
BUDGET = f"the most seeds of an arm, a whole number from 2 to {MAX_SEEDS:,}, such as 80"


def planned_looks(config: DictConfig) -> list[int]:
    """Return the numbers of seeds at which the claims are looked at, the last one study.max_seeds.

    [] for a study of a fixed number of seeds. Raise UserError for looks and words that no study can have.
    """
    study = config.study
    if study.until is None:
        typed = [word for word in config.hydra.overrides.task if word.startswith(("study.looks=", "study.max_seeds="))]
        told = "only study.until=decided reads it; type that too, or leave this out"
        for word in typed:
            raise UserError(f"{word}: {told}")
        return []
    choose("study.until", study.until, UNTIL)
    looks = OmegaConf.to_container(study.looks) if isinstance(study.looks, ListConfig) else study.looks
    given = looks if isinstance(looks, list) else []
    valid = all(type(n) is int and n >= 2 for n in given) and given == sorted(set(given)) and bool(given)
    require(valid, "study.looks", shown(looks), LOOKS)
    budget = study.max_seeds
    require(type(budget) is int and 2 <= budget <= MAX_SEEDS, "study.max_seeds", shown(budget), BUDGET)
    _check_claims(study)
    looks = [*(n for n in given if n < budget), budget]
    _check_seeds(config, looks[0])
    return looks


def seeds_at(seeds: Any, n: int) -> list[int]:
    """Return n seeds: the first ones of the key `seeds`, then the whole numbers after its largest.

    >>> seeds_at(5, 7), seeds_at([100], 3)
    ([0, 1, 2, 3, 4, 5, 6], [100, 101, 102])
    """
    first = parse_seeds(seeds)
    return [*first, *range(max(first) + 1, max(first) + 1 + n)][:n]


def _check_claims(study: DictConfig) -> None:
    told = "there is nothing to decide, for the study makes no claim; type one such as "
    verdicts = declared_verdicts(study) if study.arms else []
    require(bool(verdicts), "study.until", study.until, f"{told}{CLAIM}, or leave it out")
    from dnnx.reports.questions import why_untested  # pandas and scipy

    reasons = [why_untested(verdict) for verdict in verdicts]
    require(not all(reasons), "study.until", study.until, f"no claim can be decided by more seeds: {reasons[0]}")


def _check_seeds(config: DictConfig, first: int) -> None:
    """Raise UserError where seeds are typed as a number, swept, or set by an arm: the looks give their number."""
    typed = [override for override in parse(config.hydra.overrides.task).values() if override.key_or_group == "seeds"]
    told = "study.until=decided trains as many seeds as study.looks says, at most study.max_seeds; leave seeds out, "
    told += "or begin a new study with other seeds, such as seeds=[100] for 100, 101 and so on"
    for override in typed:
        counts = override.is_sweep_override() or override.value() != first
        counts = counts and not isinstance(override.value(), list)
        require(not counts, "seeds", "..." if override.is_sweep_override() else override.value(), told)
    require("seeds" not in (config.study.axes or {}), "study.axes.seeds", "...", told)
    for arm, overrides in config.study.arms.items():
        own = [word for word in overrides if word.startswith(("seeds=", "shard="))]
        require(not own, f"study.arms.{arm}", shown(own), told)
