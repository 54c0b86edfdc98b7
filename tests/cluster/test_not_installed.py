"""A launcher whose package is not installed is a one-line error that names the extra, and leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import typed
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from dnnx.basics.errors import pip_install

STUDY = ["+exp=bn_vs_plain", "+debug=smoke"]


@pytest.fixture
def no_joblib() -> Iterator[None]:
    """Take away what the package of the joblib launcher brings."""
    Plugins.instance()  # it puts them there, once
    launchers: Any = ConfigStore.instance().repo["hydra"]["launcher"]
    node = launchers.pop("joblib.yaml", None)
    yield
    if node is not None:
        launchers["joblib.yaml"] = node


@pytest.mark.parametrize(("launcher", "package", "extra"), [("slurm", "submitit", "launchers"), ("ray", "ray", "ray")])
def test_an_absent_package_names_its_extra(
    launcher: str, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnx.basics.errors.find_spec", lambda name: None)
    code, said = typed("train", *STUDY, f"hydra/launcher={launcher}", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert code == 2
    assert said == f"error: hydra/launcher={launcher}: {package} is not installed; type {pip_install(extra)}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_joblib")
def test_absent_joblib_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = typed("train", *STUDY, "hydra/launcher=processes", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert code == 2
    assert said == f"error: hydra/launcher=joblib is not installed; type {pip_install('launchers')}\n"
    assert not list(tmp_path.iterdir())


def test_an_unknown_launcher_is_answered_with_those_there_are(tmp_path: Path) -> None:
    code, said = typed("train", *STUDY, "hydra/launcher=slum", cwd=tmp_path)
    assert code == 2
    assert "did you mean slurm?" in said
    assert said.count("\n") == 1
