"""Facts: the difference of two arms in which nothing is random; it needs no test, as no seed would change it."""

import numpy as np
import pandas as pd

from dnnx.reports.comparison import NO_TEST, Comparison
from dnnx.reports.format import whole
from dnnx.reports.scales import Scale
from dnnx.runs.about import About
from dnnx.runs.run import CLOSE, Run

DIGITS = 4  # of a value that other seeds would not change


def is_fixed(run: Run, values: pd.Series) -> bool:
    """Return whether nothing is random in values of a run by seed: those of a network with equal curves in all seeds,
    or of a baseline that gives all seeds one value.
    """
    measured = values.dropna()
    if len(measured) < 2:
        return False
    if run.setting("baseline"):
        return measured.nunique() == 1
    return bool(np.isclose(measured.min(), measured.max(), rtol=CLOSE, atol=0)) and run.is_fixed


def show_fixed(value: float, about: About) -> str:
    """Return a value that is not random, with its unit.

    >>> show_fixed(0.0825400, About()), show_fixed(52.0, About())
    ('0.08254', '52')
    """
    return whole(value, about, DIGITS)


def difference_of(arm: pd.Series, than: pd.Series, scale: Scale) -> Comparison:
    """Return the difference of two arms without a test. `n` is 1; the sign is 0 where both are equal but for rounding.

    Infinite values, such as the epoch of a goal that is never reached, are equal to each other.
    """
    values = pd.Series([series.dropna().astype(float).mean() for series in (arm, than)])
    if np.isclose(values[0], values[1], rtol=CLOSE, atol=0):
        return Comparison(NO_TEST, 1, gap=0.0)
    ours, theirs = scale.transform(values)
    return Comparison(NO_TEST, 1, gap=float(ours - theirs), sign=int(np.sign(ours - theirs)))


def answer_of(found: Comparison, expect: str) -> str:
    """Return yes, no or same from the sign of a difference that is a fact.

    >>> answer_of(Comparison(NO_TEST, 1, gap=0.2, sign=1), "lower")
    'no'
    """
    if not found.sign:
        return "same"
    return "yes" if (found.sign > 0) == (expect == "higher") else "no"
