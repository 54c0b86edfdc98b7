"""A study in a notebook: its report as one piece of HTML, and its learning curves as a figure."""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
from matplotlib.figure import Figure

from dnnx.basics.errors import UserError
from dnnx.reports.figures import curves as learning_curves
from dnnx.reports.figures.drawing import STYLE
from dnnx.reports.report import build
from dnnx.runs.read import read_study


def html(folder: Path) -> str:
    """Return the report on a run or study folder as one HTML page with everything inside.

    Nothing is written to the folder. Missing or unreadable files become notes in the report.

    Example: `IPython.display.HTML(html(Path("outputs/bn_vs_plain/latest")))`
    """
    with TemporaryDirectory() as out:
        return build([Path(folder)], Path(out), force=True).html.read_text()


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
