"""What the single test windows tell: an interval of the difference of two forecasts over seeds and windows."""

import numpy as np

from dnnx.reports import images
from dnnx.runs.run import Run

METRIC = "test/mae"
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

    It is `images.interval` of the means of blocks of sqrt(N) neighbours. Neighbours have similar errors, so single
    examples would make it too narrow. None where an arm stored no forecasts, or others are compared, or all are alike.
    """
    counted = [run.values(METRIC).dropna().index for run in (arm, than)]
    shared = [seed for seed in counted[0] if seed in counted[1]]
    ours, theirs = errors(arm, shared), errors(than, shared)
    if ours is None or theirs is None or ours.shape != theirs.shape or len(shared) < 2:
        return None
    gap = ours - theirs
    length = max(1, round(gap.shape[1] ** 0.5))
    blocks = np.array_split(gap, max(2, gap.shape[1] // length), axis=1)
    low, high = images.interval(np.stack([block.mean(1) for block in blocks], 1), level)
    return None if np.isnan(low) else (low, high, length)
