"""`dnnx predict run=FOLDER image.png`: classes or numbers for new examples, by the trained networks of a run."""

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from rich.measure import Measurement
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
MIN_INPUT = 8  # letters of a line with the name of an input, which may take several lines
MAX_WIDTH = 10_000  # more than any table needs
OF_SEED = re.compile(r"seed \d+( \d+)?")  # columns for the file alone
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

    from dnnx.data.readers.reader import find_files  # imports torch
    from dnnx.evaluation.answers import answer_table, doubt
    from dnnx.evaluation.trained import open_run

    run = open_run(own, Path(cfg.run), cfg.seed)
    files = find_files(run.preprocessing.reader, inputs)
    is_input = cfg.out is not None and Path(cfg.out).exists() and any(map(Path(cfg.out).samefile, files))
    require(not is_input, "out", cfg.out, "it is one of the inputs, which it would replace; give another name")
    examples = run.read(files, cfg.convert)
    found = answer_table(run, examples)
    shown = [name for name in found.columns if not OF_SEED.fullmatch(name)]
    left_out = show(found[shown], many(len(run.seeds), "seed"))
    if left_out:
        has_all = "out=answers.csv writes all" if cfg.out is None else f"{cfg.out} has all"
        console.print(f"shown: {left_out}; {has_all}", soft_wrap=True)
    if told := doubt(run, examples):
        console.print(told, soft_wrap=True)
    if cfg.out is not None:
        Path(cfg.out).parent.mkdir(parents=True, exist_ok=True)
        write_text(Path(cfg.out), found.to_csv(index=False))
        console.print(f"written to {cfg.out}", soft_wrap=True)
    return found


def show(found: "pd.DataFrame", told: str) -> str:
    """Print the first rows of a table of predictions, and return how many rows and which columns it shows.

    The columns p(<class>) are shown together if they fit beside the others. Return "" if everything is shown.
    """
    classes = [name for name in found.columns if name.startswith("p(")]
    table = _table(found, told, bool(classes))
    some = [name for name in found.columns if name not in classes]
    is_cut = bool(classes) and (len(classes) > MAX_CLASSES or _width(table) > console.width)
    console.print(_table(found[some], told, True) if is_cut else table)
    parts = [f"{SHOWN} of {len(found):,} rows"] if len(found) > SHOWN else []
    parts += [f"no columns p(class) of the {len(classes)} classes"] if is_cut else []
    return ", ".join(parts)


def _table(found: "pd.DataFrame", told: str, has_classes: bool) -> Table:
    table = Table(title=f"predictions of {told}")
    for name in found.columns:
        is_text, is_input = name in ("input", "class", "seeds"), name == "input"
        table.add_column(
            name,
            justify="left" if is_text else "right",
            no_wrap=not is_input,
            overflow="fold",
            min_width=MIN_INPUT if is_input else None,
        )
    for row in found.head(SHOWN).itertuples(index=False):
        table.add_row(*(_cell(value, has_classes) for value in row))
    return table


def _width(table: Table) -> int:
    """Return the width of a table whose cells are whole."""
    return Measurement.get(console, console.options.update(max_width=MAX_WIDTH), table).maximum


def _cell(value: Any, is_share: bool) -> str:
    if not isinstance(value, float):
        return str(value)
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
