"""Statistics of the hidden layers, as callbacks.layer_statistics recorded them: one number per seed."""

import numpy as np
import pandas as pd

from dnnx.runs.read import Run


def of_layers(run: Run, statistic: str, epochs: pd.Series) -> pd.DataFrame:
    """Return a statistic of every hidden layer (rows, from the bottom) by seed, each seed's at its own epoch."""
    layers = [name for names in run.hidden_layers.values() for name in names]
    return run.through_depth(layers, statistic, epochs)


def dead(run: Run) -> pd.Series:
    """Return the share of the hidden units with one output for all validation images, at the best epoch."""
    return of_layers(run, "dead_units", run.values("epoch/best")).mean()


def equal(run: Run) -> pd.Series:
    """Return the share of the hidden units with the outputs of another unit of their layer, at the best epoch."""
    return of_layers(run, "equal_units", run.values("epoch/best")).mean()


def gradient_start(run: Run) -> pd.Series:
    """Return log10 of the gradient norm of the lowest hidden layer before training. Far below 0, it vanished."""
    norms = of_layers(run, "gradient_norm", pd.Series(0, index=run.seeds))
    with np.errstate(divide="ignore"):
        return np.log10(norms.iloc[0]) if len(norms) else pd.Series(np.nan, index=run.seeds)


def mean_activation(run: Run) -> pd.Series:
    """Return the mean over the hidden layers of the absolute mean activation, at the best epoch."""
    return of_layers(run, "activation_mean", run.values("epoch/best")).abs().mean()
