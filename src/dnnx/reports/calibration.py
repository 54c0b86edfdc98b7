"""Calibration of stored test probabilities, with the error that a calibrated network of the same outputs would show."""

from dataclasses import dataclass

import numpy as np

from dnnx.runs.run import Run

NUM_BINS = 15
NUM_DRAWS = 20  # of labels from the predictions


@dataclass(frozen=True)
class Calibration:
    """Scores of each seed [R]: expected calibration error, its floor, Brier score, and NLL in nats.

    `floor` is the mean calibration error of labels that are drawn from the predictions themselves. It is above 0,
    since each bin holds few examples; an error near it shows no miscalibration.
    """

    error: np.ndarray
    floor: np.ndarray
    brier: np.ndarray
    nll: np.ndarray


def calibration(run: Run) -> Calibration | None:
    """Return the calibration of the seeds that did not diverge, or None without probabilities of classes."""
    p, y = run.predictions.get("probabilities"), run.predictions.get("labels")
    if p is None or y is None or p.ndim != 3 or y.shape != p.shape[1:2] or len(p) != len(run.seeds):
        return None
    y = y.astype(int)
    p = p[[seed not in run.diverged for seed in run.seeds]].astype(float)
    if not len(p) or not np.isfinite(p).all() or y.min() < 0 or y.max() >= p.shape[2]:
        return None
    confidence, right = p.max(-1), p.argmax(-1) == y
    rng = np.random.default_rng(0)
    draws = [calibration_error(confidence, rng.random(confidence.shape) < confidence) for _ in range(NUM_DRAWS)]
    of_true = p[:, np.arange(len(y)), y]
    return Calibration(
        calibration_error(confidence, right),
        np.mean(draws, axis=0),
        ((p**2).sum(-1) - 2 * of_true + 1).mean(-1),
        -np.log(np.maximum(of_true, np.finfo(np.float32).tiny)).mean(-1),
    )


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the expected calibration error of each seed in 15 equal bins of confidence: [R, N], [R, N] -> [R].

    A bin includes its upper end, not its lower. Sources: Naeini et al. 2015; Guo et al. 2017.
    """
    bins = np.clip(np.ceil(confidence * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    gaps = right - confidence
    sums = [np.bincount(b, weights=g, minlength=NUM_BINS) for b, g in zip(bins, gaps, strict=True)]
    return np.abs(sums).sum(-1) / confidence.shape[1]
