"""What the single test images tell: intervals over seeds and images, and the ensembles of two arms image by image."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from dnnx.reports.binary import mcnemar_p
from dnnx.runs.run import Run

METRIC = "test/accuracy"
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Ensembles:
    """The images that only one of two arms' ensembles gets right, and McNemar's exact p-value."""

    only_arm: int
    only_than: int
    p: float


def correct(run: Run, seeds: list[int] | None = None) -> np.ndarray | None:
    """Return whether each seed gets each test image right, [R, N] of 0 and 1; diverged seeds are left out.

    None where the run stored no predictions, or others than those of its test accuracy.
    """
    p, labels = run.predictions.get("probabilities"), run.predictions.get("labels")
    accuracy = run.values(METRIC).dropna()
    if p is None or labels is None or not len(accuracy):
        return None
    places = [run.seeds.index(seed) for seed in accuracy.index]
    thresholds = run.values("test/threshold").loc[accuracy.index]
    chosen = p[places, :, 1] > thresholds.to_numpy()[:, None] if thresholds.notna().all() else p[places].argmax(-1)
    right = (chosen == labels).astype(float)
    if np.abs(right.mean(1) - accuracy.to_numpy()).max() > TOLERANCE:
        return None
    return right if seeds is None else right[[list(accuracy.index).index(seed) for seed in seeds]]


def interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Return the t interval of the mean of values [R, N] over both: other seeds and other images of the same kind.

    The variance is that of a table of random rows and columns, with Satterthwaite's degrees of freedom. nan for fewer
    than 2 seeds or images, and where no spread is seen, as with equal values: they do not tell that of others.
    """
    num_seeds, num_images = values.shape
    if min(values.shape) < 2 or np.ptp(values) == 0:
        return np.nan, np.nan
    rows, cols = values.mean(1), values.mean(0)
    errors = values - rows[:, None] - cols + values.mean()
    dfs = np.array([num_seeds - 1, num_images - 1, (num_seeds - 1) * (num_images - 1)], dtype=float)
    of_error = (errors**2).sum() / dfs[2]
    parts = np.array([rows.var(ddof=1) / num_seeds, cols.var(ddof=1) / num_images, of_error / values.size])
    variance = parts[0] + max(0.0, parts[1] - parts[2])
    mean = float(values.mean())
    if variance == 0:
        return np.nan, np.nan
    df = variance**2 / (parts**2 / dfs).sum()
    half = float(stats.t.ppf((1 + level) / 2, max(df, 1.0)) * variance**0.5)
    return mean - half, mean + half


def difference(arm: Run, than: Run) -> np.ndarray | None:
    """Return the difference of two arms by seed and image, [R, N] of -1, 0 and 1, for the seeds that both have."""
    a, b = (run.values(METRIC).dropna().index for run in (arm, than))
    shared = [seed for seed in a if seed in b]
    ours, theirs = correct(arm, shared), correct(than, shared)
    same = ours is not None and theirs is not None and _same_labels(arm, than)
    return ours - theirs if same and shared else None  # type: ignore[operator]


def ensembles(arm: Run, than: Run) -> Ensembles | None:
    """Return the comparison of two ensembles image by image; it holds for these trained networks alone."""
    if correct(arm) is None or correct(than) is None or not _same_labels(arm, than):
        return None
    if any(run.values("test/threshold").notna().any() for run in (arm, than)):
        return None
    ours, theirs = (_joint(run) for run in (arm, than))
    only_arm, only_than = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return Ensembles(only_arm, only_than, mcnemar_p(only_arm, only_than))


def _joint(run: Run) -> np.ndarray:
    places = [run.seeds.index(seed) for seed in run.values(METRIC).dropna().index]
    return run.predictions["probabilities"][places].mean(0).argmax(-1) == run.predictions["labels"]


def _same_labels(arm: Run, than: Run) -> bool:
    return bool(np.array_equal(arm.predictions["labels"], than.predictions["labels"]))
