"""Configs are composed from conf/ and the user's folders."""

from pathlib import Path

import pytest

from dnnx.basics.errors import UserError
from dnnx.config.compose import compose


def of_user(folder: Path, name: str) -> str:
    (folder / "exp").mkdir(exist_ok=True)
    (folder / "exp" / f"{name}.yaml").write_text(f"# @package _global_\nname: {name}\nseeds: 7\n")
    return str(folder)


def test_an_experiment_of_the_user_is_found(tmp_path: Path) -> None:
    assert compose("train", ["+exp=mine"], [of_user(tmp_path, "mine")]).seeds == 7


def test_one_with_the_name_of_an_experiment_of_dnnx_is_refused(tmp_path: Path) -> None:
    """Hydra would use that of dnnx."""
    folder = of_user(tmp_path, "california")
    with pytest.raises(UserError, match=r"exp=california: .*give yours, .*exp/california.yaml, another name"):
        compose("train", ["+exp=california"], [folder])
    assert compose("train", ["+exp=dense5"], [folder]).name == "dense5"
