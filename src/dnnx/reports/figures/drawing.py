"""Shared tools of all figures: style, colours, SVG files in the page's text colour, and PNG files on white."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from dnnx.runs.files import write_atomic, write_text
from dnnx.runs.run import Run

TIP = "tip: "  # begins the id of an artist with a tip
INK = "#010203"  # stands for the text colour and becomes `currentColor` in SVG
# Okabe and Ito's colours. Their yellow is invisible on white; Tol's olive replaces it, also safe for the colour-blind.
COLORS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999933"]
DASHES = ["", (5, 1.5), (1, 1.2), (6, 1.5, 1, 1.5), (3, 1), (8, 2), (4, 1, 1, 1, 1, 1), (2, 2)]
WIDTH = 5.4  # inches of a figure whose text is legible on a phone
MAX_ARMS = 1 + len(COLORS)  # in a figure whose arms must be told apart by colour
STYLE = {
    "font.size": 10, "font.family": "sans-serif", "svg.fonttype": "none", "svg.hashsalt": "dnnx",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#808080",
    "grid.alpha": 0.25, "legend.frameon": False, "figure.constrained_layout.use": True,
}  # fmt: skip
FILE_CSS = "<style>svg{color:#1a1a1a}@media(prefers-color-scheme:dark){svg{color:#e6e6e6}}</style>"


@dataclass(frozen=True)
class Drawing:
    """A figure of a report before it is drawn: its file name, its caption, and the arms that it shows.

    `crowded` marks a figure that stays readable with any number of arms. `section` is the heading below which it
    stands; any other than "Answer" and "Figures" gets a heading of its own.
    """

    name: str
    caption: str
    runs: Sequence[Run]
    draw: Callable[[], Figure]
    crowded: bool = False
    section: str = "Figures"

    def fits(self) -> bool:
        """Return whether there is an arm to show, and not more arms than colours."""
        return bool(self.runs) and (self.crowded or len(self.runs) <= MAX_ARMS)


def save(draw: Callable[[], Figure], folder: Path, name: str) -> Path:
    """Write `name.png` and `name.svg` into a folder, each beside and renamed; return the path of the SVG."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = draw()
        for text in figure.findobj(Text):
            if "$" in text.get_text():  # type: ignore[attr-defined]
                text.set_parse_math(False)  # type: ignore[attr-defined]
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.set_layout_engine("none")  # the layout is computed by now
        figure.savefig(png, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    write_atomic(folder / f"{name}.png", lambda path: path.write_bytes(png.getvalue()))
    write_text(folder / f"{name}.svg", _tidy(svg.getvalue().decode(), name))
    return folder / f"{name}.svg"


def tip(artist: Artist, text: str) -> None:
    """Give a line or a dot a text that a page shows under the pointer: SVG's own title, without a script."""
    artist.set_gid(f"{TIP}{text}")


def legend(figure: Figure, axes: Axes) -> None:
    """Put the labels of some axes above the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels) or 1), handlelength=3.5)


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Give a logarithmic axis from `low` to `high` three to eight ticks in plain numbers."""
    decades = np.log10(high / low)
    if decades < 0.8:
        ticks: Sequence[float] = MaxNLocator(4).tick_values(low, high)
    else:
        steps = (1, 2, 5) if decades < 2 else (1, 3) if decades < 3.5 else (1,)
        skip = max(1, round(decades / 7))
        whole = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1, skip)
        ticks = [step * 10.0**power for power in whole for step in steps]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_major_formatter(lambda x, _: f"{x:g}")
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def whole_ticks(axis: Axis) -> None:
    """Give an axis of epochs or other counts whole numbers alone."""
    axis.set_major_locator(MaxNLocator(6, integer=True))


def color(arm: int) -> str:
    """Return the colour of an arm. The first arm, usually the reference, has the colour of the text."""
    return INK if arm == 0 else COLORS[(arm - 1) % len(COLORS)]


def line_style(arm: int) -> dict[str, Any]:
    """Return colour, dashes and width of an arm's line."""
    return {"color": color(arm), "dashes": DASHES[arm % len(DASHES)], "lw": 1.6}


def class_names(run: Run, num: int) -> list[str]:
    """Return the names of a run's classes. If data.json names fewer than `num`, they are "class 0", "class 1" and so
    on.
    """
    names = run.data.get("class_names", [])
    return names if len(names) == num else [f"class {i}" for i in range(num)]


def alive(run: Run) -> np.ndarray:
    """Return the test probabilities [seeds, N, C] of the seeds that did not diverge."""
    return run.predictions["probabilities"][[i for i, seed in enumerate(run.seeds) if seed not in run.diverged]]


def _tidy(svg: str, name: str) -> str:
    """Return the SVG without metadata, path numbers to 0.01 px, ids unique among figures, text in currentColor."""
    unneeded = r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<!--.*?-->\s*|<metadata>.*?</metadata>\s*"
    svg = re.sub(unneeded, "", svg, flags=re.DOTALL)
    svg = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\d\.\d\d)\d+", r"\1", d[0]), svg)
    svg = re.sub(rf'<g id="{TIP}([^"]*)">', r"<g><title>\1</title>", svg)
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(INK, "currentColor")
    return re.sub(r"(<svg[^>]*>)", rf"\1{FILE_CSS}", svg, count=1)
