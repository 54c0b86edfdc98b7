"""How the tables of several shards become those of one run: results, curves, and where all of it was made."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = "epoch,split,metric,seed,value"
OF_ALL = "ensemble/"  # metrics with one value for all seeds
Order = Sequence[tuple[int, int]]  # of each seed of the run: its shard, and its place there


def order(shards: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Return for each seed of a run the number of its shard and its place in that shard.

    >>> order([[0, 1], [7, 3]], [3, 0, 1])
    [(1, 1), (0, 0), (0, 1)]
    """
    places = {seed: (number, place) for number, own in enumerate(shards) for place, seed in enumerate(own)}
    return [places[seed] for seed in seeds]


def join_results(parts: Sequence[Mapping[str, Any]], order: Order) -> dict[str, Any]:
    """Return results.json of all seeds: each value as it is in the shard of its seed, None where that has none.

    Metrics of the ensemble keep their place among the names, with the value of the first shard.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for part in parts for name in part if name != "about"):
        if name.startswith(OF_ALL):
            found[name] = next(part[name] for part in parts if name in part)
        else:
            found[name] = [parts[number][name][place] if name in parts[number] else None for number, place in order]
    about = [part["about"] for part in parts if "about" in part]
    merged = {name: entry for own in about for name, entry in own.items()}
    return found | ({"about": merged} if about else {})


def join_metrics(texts: Sequence[str], seeds: Sequence[int], by_seed: bool = False) -> str:
    """Return metrics.csv of all seeds: by epoch, within it by metric, within that by seed, as one training writes it.

    With `by_seed` all rows of a seed stand together, as where seeds are trained one after the other.
    """
    rank = {str(seed): place for place, seed in enumerate(seeds)}
    metrics: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    keyed = []
    for line in (line for text in texts for line in text.splitlines()[1:]):
        epoch, split, metric, seed, _ = line.split(",")
        place = metrics[epoch].setdefault((split, metric), len(metrics[epoch]))
        keyed.append(((rank[seed], int(epoch), place) if by_seed else (int(epoch), place, rank[seed]), line))
    return "\n".join([HEADER, *(line for _, line in sorted(keyed, key=lambda pair: pair[0]))]) + "\n"


def join_facts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return environment.json of all shards; where they differ, all values in one text.

    >>> join_facts([{"threads": 1, "cpu": "A"}, {"threads": 1, "cpu": "B"}])
    {'threads': 1, 'cpu': 'A; B'}
    """
    names = dict.fromkeys(name for part in parts for name in part)
    values = {name: [part[name] for part in parts if name in part] for name in names}
    return {
        name: own[0] if all(value == own[0] for value in own) else "; ".join(dict.fromkeys(map(str, own)))
        for name, own in values.items()
    }


def sum_curves(parts: Sequence[Mapping[str, Mapping[str, Sequence[float]]]]) -> dict[str, dict[str, list[float]]]:
    """Return curves of reliability over all seeds: sums over the shards of what each bin holds."""
    return {
        curve: {name: [sum(bins) for bins in zip(*(part[curve][name] for part in parts), strict=True)] for name in own}
        for curve, own in parts[0].items()
    }
