"""What the single test windows tell: an interval of the difference of two forecasts over seeds and windows."""

import numpy as np

from dnnx.runs.run import Run

METRIC = "test/mae"
RESAMPLES = 2000
TOLERANCE = 1e-4


def errors(run: Run, seeds: list[int]) -> np.ndarray | None:
    """Return the absolute errors of these seeds, [R, N], or None where the run stored no forecasts of one number each.

    None too where they are not those of its test MAE.
    """
    outputs, targets = run.predictions.get("outputs"), run.predictions.get("targets")
    if outputs is None or targets is None or targets.ndim != 1 or outputs.size != len(run.seeds) * len(targets):
        return None
    found = np.abs(outputs.reshape(len(run.seeds), -1) - targets)
    if np.abs(found.mean(1) - run.values(METRIC).to_numpy()).max() > TOLERANCE * max(1.0, found.mean()):
        return None
    return found[[run.seeds.index(seed) for seed in seeds]]


def interval(arm: Run, than: Run, level: float) -> tuple[float, float, int] | None:
    """Return the interval of the difference in MAE over seeds and test examples, and the examples of a block.

    Seeds and blocks of neighbouring examples are drawn again with replacement (moving-block bootstrap, Kuensch 1989).
    Neighbours have similar errors, so single examples would make the interval too narrow. A block has sqrt(N) of them.
    None where an arm stored no forecasts, or others are compared.
    """
    counted = [run.values(METRIC).dropna().index for run in (arm, than)]
    shared = [seed for seed in counted[0] if seed in counted[1]]
    ours, theirs = errors(arm, shared), errors(than, shared)
    if ours is None or theirs is None or ours.shape != theirs.shape or len(shared) < 2:
        return None
    gap = ours - theirs
    num_seeds, num = gap.shape
    length = max(1, round(num**0.5))
    sums = np.concatenate([np.zeros((num_seeds, 1)), gap.cumsum(1)], 1)
    blocks = (sums[:, length:] - sums[:, :-length]) / length  # [R, starts], the mean of every block
    draw = np.random.default_rng(0)
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        seeds = draw.integers(num_seeds, size=num_seeds)
        starts = draw.integers(blocks.shape[1], size=-(-num // length))
        means[i] = blocks[seeds][:, starts].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), length
