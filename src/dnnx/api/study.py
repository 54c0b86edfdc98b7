"""Study: a finished study, its runs by arm, its answers and its report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from dnnx.api.run import Run
from dnnx.config import resume
from dnnx.reports import notebook
from dnnx.runs.read import declaration


class Study:
    """A finished study: its runs by arm, its answers, and its report. A notebook shows the report.

    Its runs may name code of these packages, and the code that the config of the arm in `typed` names.
    """

    def __init__(self, folder: Path, packages: Sequence[str] = (), typed: Mapping[str, DictConfig] | None = None):
        self.folder, self.packages, self.typed = folder, packages, typed or {}
        self.declared = declaration(folder)

    @property
    def runs(self) -> dict[str, Run]:
        """Return the runs of the finished arms by name."""
        names = self.declared["arms"]
        found = [name for name in names if (self.folder / name / "results.json").exists()]
        return {name: Run(self.folder / name, self.packages, self.typed.get(name)) for name in found}

    @property
    def report(self) -> Path:
        """Return the path of the report, one HTML file."""
        return self.folder / "report.html"

    @property
    def verdicts(self) -> pd.DataFrame:
        """Return the answers: one row per claim, with the difference, its interval, p and the evidence in words.

        Differences are in the units of results.json, so 0.01 is one point of accuracy. Where `compared` is "ratio",
        as for losses and epochs, they are ratios.
        """
        return notebook.verdicts(self.folder)

    @property
    def results(self) -> pd.DataFrame:
        """Return the results of all arms: one row per arm and seed."""
        return pd.concat({name: run.results for name, run in self.runs.items()}, names=["arm"])

    def __repr__(self) -> str:
        return "\n".join([f"<Study in {resume.short(self.folder)}>", *notebook.sentences(self.folder)])

    def _repr_html_(self) -> str:
        return notebook.html(self.folder)
