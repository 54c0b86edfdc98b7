"""Run: a finished run, its results, networks and predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig
from torch import Tensor, nn

from dnnx.basics.errors import require
from dnnx.config import resume
from dnnx.evaluation import saved
from dnnx.evaluation.trained import open_run
from dnnx.reports import notebook


class Run:
    """A finished run: its results, networks and predictions. `dnnx.load(folder)` returns one.

    The folder may name code of these packages, and the code that the config `typed` names.
    """

    def __init__(self, folder: Path, packages: Sequence[str] = (), typed: DictConfig | None = None):
        self.folder = folder
        trusted = DictConfig({"packages": [package.split(".")[0] for package in packages]})
        self.config = resume.load_config(folder, "folder", trusted if typed is None else typed)
        told = f"the run is not finished; {resume.go_on(folder)}"
        require((folder / "results.json").is_file(), "folder", folder, told)
        self.values = resume.load_results(folder)

    @property
    def seeds(self) -> list[int]:
        return self.values["seeds"]

    @property
    def results(self) -> pd.DataFrame:
        """Return one row per seed and one column per number. A diverged seed has NaN."""
        per_seed = {
            name: values
            for name, values in self.values.items()
            if name not in ("seeds", "about") and not name.startswith("ensemble/") and _numbers(values)
        }
        return pd.DataFrame(per_seed, index=pd.Index(self.seeds, name="seed"))

    def network(self, seed: int = 0) -> nn.Module:
        """Return the network of a seed with its best weights, a plain nn.Module in evaluation mode.

        Of a LightningModule of yours it is that module.
        """
        return saved.network(self.config, self.folder, self.seeds, seed)

    def predict(self, x: Any, seed: int | None = None) -> Tensor:
        """Return predictions for x [N, *in_shape], of one seed or of the ensemble of all seeds.

        Classification returns probabilities [N, C], other tasks and a LightningModule outputs [N, ...]. Pass x as the
        data was before standardization; uint8 images become [0, 1]. x may also be the name of a file or folder, a list
        of such names, or a DataFrame with the columns of the training table.

        Example: `run.predict("digit.png")` returns [1, C].
        """
        run = open_run(self.config, self.folder, seed)
        first = x[0] if isinstance(x, list) and x else x
        is_read = isinstance(first, str | Path | pd.DataFrame)
        return run.predict(run.read(x).x if is_read else x).mean(0)

    def curves(self) -> Any:
        """Return the learning curves as a matplotlib Figure."""
        return notebook.curves(self.folder)

    def __repr__(self) -> str:
        return f"<Run of {len(self.seeds)} seeds in {resume.short(self.folder)}>"

    def _repr_html_(self) -> str:
        return f"<p><code>{self.folder}</code></p>{self.results.T.to_html()}{notebook.as_html(self.curves())}"


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(value is None or isinstance(value, int | float) for value in values)
