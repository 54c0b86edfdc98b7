"""Where a published number lies: in the interval of an arm, in the range of its seeds, or outside."""

from dnnx.reports.findings import estimate_of
from dnnx.runs.run import Run


def place(value: float, interval: tuple[float, float], seeds: tuple[float, float]) -> str:
    """Return in words where a number lies; `interval` is that of the mean, `seeds` the lowest and the highest.

    >>> place(0.98, (0.97, 0.99), (0.96, 0.995)), place(0.9, (0.97, 0.99), (0.96, 0.995))
    ('in the interval', 'below all seeds')
    """
    for (low, high), told in ((interval, "in the interval"), (seeds, "in the range of the seeds")):
        if low <= value <= high:
            return told
    return "above all seeds" if value > max(interval[1], seeds[1]) else "below all seeds"


def place_of(run: Run, metric: str, published: float) -> str:
    """Return where a published number, in the unit in which the metric is shown, lies among the seeds of a run."""
    e, values = estimate_of(run, metric), run.values(metric).dropna()
    if not len(values):
        return "not measured"
    interval = (e.low, e.high) if e.n > 1 else (e.mean, e.mean)
    return place(published / run.about(metric).scale, interval, (values.min(), values.max()))
