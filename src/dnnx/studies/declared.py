"""A study that Python declares, as an experiment file, so that a command can continue it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dnnx.runs.files import write_text


def write_experiment(folder: Path, name: str, study: Mapping[str, Any]) -> None:
    """Write the file of `+exp=<name>` with these keys of `study`; `folder` is for --config-dir."""
    folder.joinpath("exp").mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"name": name, "study": dict(study)}, sort_keys=False)
    write_text(folder / "exp" / f"{name}.yaml", f"# @package _global_\n{text}")
