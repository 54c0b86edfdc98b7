"""Load: a finished run or study from its folder."""

from collections.abc import Sequence
from pathlib import Path

from dnnx.api.run import Run
from dnnx.api.study import Study
from dnnx.basics.errors import require


def load(folder: str | Path, packages: str | Sequence[str] = ()) -> Run | Study:
    """Return the finished run or study in a folder, for example `dnnx.load("outputs/dense5/latest")`.

    A run with your own classes needs their package, for example `packages=["my_nets"]`: you thereby trust its code.
    """
    path = Path(folder).resolve()
    require(path.is_dir(), "folder", folder, "there is no such folder; try outputs/dense5/latest")
    trusted = [packages] if isinstance(packages, str) else packages
    return (Study if (path / "study.json").exists() else Run)(path, trusted)
