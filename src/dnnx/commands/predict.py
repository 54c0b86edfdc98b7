"""`dnnx predict run=FOLDER image.png`: classes or numbers for new examples, by the trained networks of a run."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from rich.markup import escape
from rich.table import Table

from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.basics.errors import require
from dnnx.config.app import command
from dnnx.config.check import check_keys
from dnnx.config.finished import finished_run
from dnnx.config.overrides import quoted, split
from dnnx.runs.files import write_text

if TYPE_CHECKING:  # --help answers without pandas
    import pandas as pd

SHOWN = 20  # rows on the screen
MAX_CLASSES = 5  # with more classes the screen shows the most probable one alone


def predict(cfg: DictConfig) -> "pd.DataFrame":
    """Print the predictions for `cfg.inputs`, write them to `cfg.out`, and return them."""
    check_keys(cfg, "predict")
    inputs = [cfg.inputs] if isinstance(cfg.inputs, str) else list(cfg.inputs)
    told = "name files or folders, for example dnnx predict run=outputs/dense5/latest digit.png"
    require(bool(inputs), "inputs", "[]", told)
    is_csv = cfg.out is None or str(cfg.out).endswith(".csv")
    require(is_csv, "out", cfg.out, "a .csv file, for example out=answers.csv")
    for name in inputs:
        require(Path(name).expanduser().exists(), "inputs", name, "there is no such file or folder")
    own = finished_run(cfg.run, cfg)

    from dnnx.evaluation.answers import answer_table  # imports torch
    from dnnx.evaluation.trained import open_run

    run = open_run(own, Path(cfg.run), cfg.seed)
    found = answer_table(run, run.read(inputs, cfg.convert))
    show(found, many(len(run.seeds), "seed"))
    if cfg.out is None and len(found) > SHOWN:
        console.print(f"{SHOWN} of {len(found):,} rows; out=answers.csv writes all")
    if cfg.out is not None:
        Path(cfg.out).parent.mkdir(parents=True, exist_ok=True)
        write_text(Path(cfg.out), found.to_csv(index=False))
        console.print(f"written to {cfg.out}", soft_wrap=True, markup=False)
    return found


def show(found: "pd.DataFrame", told: str) -> None:
    """Print the first rows of a table of predictions."""
    classes = [name for name in found.columns if name.startswith("p(")]
    names = [name for name in found.columns if len(classes) <= MAX_CLASSES or name not in classes]
    table = Table(title=f"predictions of {told}")
    for name in names:
        is_text = name in ("input", "class", "seeds")
        table.add_column(escape(name), justify="left" if is_text else "right", no_wrap=name != "input", overflow="fold")
    for row in found[names].head(SHOWN).itertuples(index=False):
        table.add_row(*(_cell(value, bool(classes)) for value in row))
    console.print(table)


def _cell(value: Any, is_share: bool) -> str:
    if not isinstance(value, float):
        return escape(str(value))
    if math.isnan(value):
        return "one seed"
    return f"{100 * value:.1f} %" if is_share else f"{value:.4g}"


def with_inputs(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with its files and folders as the key `inputs`.

    >>> with_inputs(["run=outputs/dense5/latest", "a.png", "b.png"])
    ['run=outputs/dense5/latest', "inputs=['a.png','b.png']"]
    """
    typed = split(words)
    files = [word for word in typed.overrides if "=" not in word or Path(word).exists()]
    for word in files:
        typed.overrides.remove(word)
    if files:
        typed.overrides.append(f"inputs=[{','.join(map(quoted, files))}]")
    return typed.words


@command("predict")
def of_config(cfg: DictConfig) -> None:
    predict(cfg)


def main() -> None:
    sys.argv[1:] = with_inputs(sys.argv[1:])
    of_config()


if __name__ == "__main__":
    main()
