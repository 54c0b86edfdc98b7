"""Sources of images by name, one file each: checked bytes from disk or download."""

from dataclasses import replace
from pathlib import Path

from dnnx.basics.errors import choose
from dnnx.data.sources import cifar10, digits, mnist, synthetic
from dnnx.data.sources.source import MissingData, Source


def auto(root: Path) -> Source:
    """Return MNIST, or the bundled digits if MNIST is neither on disk nor downloadable. Corrupt files are an error."""
    try:
        return mnist.load(root)
    except MissingData as missing:
        stand_in = "THE BUNDLED 8x8 DIGITS STAND IN FOR MNIST, which compares with nothing."
        return replace(digits.load(root), warning=f"{stand_in} {missing}")


SOURCES = {
    "auto": auto,
    "mnist": mnist.load,
    "digits": digits.load,
    "cifar10": cifar10.load,
    "synthetic": synthetic.load,
}


def load(name: str, root: Path, among: tuple[str, ...] = tuple(SOURCES)) -> Source:
    """Return the source `name`, one of `among`. `root` is the folder with the files of all sources."""
    return choose("data.source", name, {known: SOURCES[known] for known in among})(root)
