"""What callbacks.layer_statistics saw of a run, as one number per seed: what a verdict can ask for."""

import numpy as np
import pandas as pd

from dnnx.runs.read import Run


def of_layers(run: Run, statistic: str, epochs: pd.Series) -> pd.DataFrame:
    """A statistic of every hidden layer (rows, from the bottom) by seed, each seed's at its own epoch; or nan."""
    layers = [name for names in run.hidden_layers.values() for name in names]
    return run.through_depth(layers, statistic, epochs)


def dead(run: Run) -> pd.Series:
    """Share of the hidden units with one output for all validation images, at the best epoch."""
    return of_layers(run, "dead_units", run.values("epoch/best")).mean()


def equal(run: Run) -> pd.Series:
    """Share of the hidden units that do what another one of their layer does, at the best epoch."""
    return of_layers(run, "equal_units", run.values("epoch/best")).mean()


def gradient_start(run: Run) -> pd.Series:
    """log10 of the gradient norm of the lowest hidden layer at the start: far below 0 it vanished, above exploded."""
    norms = of_layers(run, "gradient_norm", pd.Series(0, index=run.seeds))
    with np.errstate(divide="ignore"):
        return np.log10(norms.iloc[0]) if len(norms) else pd.Series(np.nan, index=run.seeds)


LAYER_METRICS = {"dead/share": dead, "equal/share": equal, "gradient/start": gradient_start}
