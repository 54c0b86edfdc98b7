"""Join the tables of several shards into those of one run: results, curves, and environment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HEADER = "epoch,split,metric,seed,value\n"  # of metrics.csv
TAIL = 4096  # bytes at the end of metrics.csv, which hold its last row
AND = " && "  # between the commands of shards, as in a shell
OF_ALL = "ensemble/"  # metrics with one value for all seeds
Order = Sequence[tuple[int, int]]  # for each seed of the run: its shard, and its place there


def order(shards: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Return for each seed of a run the number of its shard and its place in that shard.

    >>> order([[0, 1], [7, 3]], [3, 0, 1])
    [(1, 1), (0, 0), (0, 1)]
    """
    places = {seed: (number, place) for number, own in enumerate(shards) for place, seed in enumerate(own)}
    return [places[seed] for seed in seeds]


def join_results(parts: Sequence[Mapping[str, Any]], order: Order) -> dict[str, Any]:
    """Return results.json of all seeds: each value from the shard of its seed, None if that has none.

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
    """Return metrics.csv of all seeds, sorted by epoch, metric and seed, as one training writes it.

    With `by_seed` all rows of a seed are together, as in a training of one seed after the other.
    """
    rank = {str(seed): place for place, seed in enumerate(seeds)}
    metrics: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    keyed = []
    for line in (line for text in texts for line in text.splitlines()[1:]):
        epoch, split, metric, seed, _ = line.split(",")
        place = metrics[epoch].setdefault((split, metric), len(metrics[epoch]))
        keyed.append(((rank[seed], int(epoch), place) if by_seed else (int(epoch), place, rank[seed]), line))
    return HEADER + "".join(f"{line}\n" for _, line in sorted(keyed, key=lambda pair: pair[0]))


def join_facts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return environment.json of all shards. If values differ, all are in one text.

    >>> join_facts([{"threads": 1, "cpu": "A"}, {"threads": 1, "cpu": "B"}])
    {'threads': 1, 'cpu': 'A; B'}
    """
    names = dict.fromkeys(name for part in parts for name in part)
    values = {name: [part[name] for part in parts if name in part] for name in names}
    return {
        name: own[0]
        if all(value == own[0] for value in own)
        else (AND if name == "command" else "; ").join(dict.fromkeys(map(str, own)))
        for name, own in values.items()
    }


def sum_curves(parts: Sequence[Mapping[str, Mapping[str, Sequence[float]]]]) -> dict[str, dict[str, list[float]]]:
    """Return the reliability curves over all seeds: the sums of each bin over the shards."""
    return {
        curve: {name: [sum(bins) for bins in zip(*(part[curve][name] for part in parts), strict=True)] for name in own}
        for curve, own in parts[0].items()
    }


def epochs_in(path: Path) -> int:
    """Return the last epoch in a metrics.csv; 0 if there is none."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        rows = [line.split(b",") for line in file.read().splitlines()]
    return max((int(row[0]) for row in rows if len(row) == HEADER.count(",") + 1 and row[0].isdigit()), default=0)
