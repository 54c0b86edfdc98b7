"""A study in a notebook: its report as one piece of HTML, and its learning curves as a figure."""

import base64
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dnnx.basics.errors import UserError
from dnnx.reports.figures import curves as learning_curves
from dnnx.reports.figures.drawing import STYLE
from dnnx.reports.report import build
from dnnx.reports.verdicts import Verdict, decide
from dnnx.runs.read import read_study


def html(folder: Path) -> str:
    """Return the report on a run or study folder as one HTML page with everything inside.

    Nothing is written to the folder. Missing or unreadable files become notes in the report.

    Example: `IPython.display.HTML(html(Path("outputs/bn_vs_plain/latest")))`
    """
    with TemporaryDirectory() as out:
        return build([Path(folder)], Path(out), force=True).html.read_text()


def sentences(folder: Path) -> list[str]:
    """Return the answers of a study folder, each with its evidence."""
    return [verdict.sentence for verdict in decide(read_study([folder]))[0]]


def verdicts(folder: Path) -> pd.DataFrame:
    """Return the answers of a study folder as data, one row per claim."""
    found, _ = decide(read_study([folder]))
    return pd.DataFrame([_row(verdict) for verdict in found], columns=COLUMNS)


COLUMNS = [
    "ask", "metric", "arm", "than", "answer", "compared", "difference", "low", "high", "p", "n", "evidence",
]  # fmt: skip


def _row(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as a row; a difference of logarithms becomes a ratio."""
    ratio, found = verdict.question.scale.ratio, verdict.comparison
    numbers = {"difference": found.gap, "low": found.low, "high": found.high}
    named = {name: getattr(verdict, name) for name in ("ask", "metric", "arm", "than", "answer", "p", "evidence")}
    shown = {name: float(np.exp(value)) if ratio else value for name, value in numbers.items()}
    return {**named, **shown, "compared": "ratio" if ratio else "difference", "n": found.n}


def as_html(figure: Figure) -> str:
    """Return a figure as an image inside HTML."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    return f'<img src="data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def curves(folder: Path) -> Figure:
    """Return the learning curves of a run or study folder by epoch: the validation loss, or the first metric there is.

    Raise UserError if no run has a validation metric by epoch.
    """
    study = read_study([Path(folder)])
    runs = [run for run in study.reference_first if run.curves("val")]
    if not runs:
        raise UserError(f"{folder}: no run has curves, for no metrics.csv holds a metric of the split val")
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        return learning_curves.draw(runs, "val", learning_curves.validated(runs)[0])
