"""No code of others is run, whatever a config or a run folder names; nobody can connect; versions are pinned."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from commands import SMOKE, compose
from omegaconf import OmegaConf
from torture.forks import draw_little, place, run
from torture.study import Whole
from torture.tries import Tries

from dnnx.basics.errors import UserError
from dnnx.config.build import build
from dnnx.config.paths import CONF
from dnnx.train import train

ROOT = Path(__file__).parents[2]
FOREIGN = [
    "os.system", "subprocess.run", "builtins.exec", "torch.os.system", "dnnx.runs.provenance.subprocess.run",
    "optuna.os.system",
    "torch.load", "torch.hub.load", "torch.utils.cpp_extension.load_inline",
    "lightning.pytorch.trainer.trainer.os.system",
    "dnnx.evil", "torch", "no.such.module",
]  # fmt: skip


@pytest.mark.parametrize("target", FOREIGN)
def test_no_foreign_target_is_built(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: Tries) -> None:
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('was run').touch()\ndef run(**_): pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    tries.count("a foreign target in a config", 1)
    with pytest.raises(UserError, match=r"key\._target_="):
        build("key", OmegaConf.create({"_target_": target, "x": "y"}))
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize("group", ["data", "net", "task", "optimizer", "scheduler", "trainer", "callbacks.extra"])
def test_no_group_of_a_config_builds_a_foreign_target(group: str, tmp_path: Path, tries: Tries) -> None:
    tries.count("a foreign target in a config", 1)
    with pytest.raises(UserError, match=rf"{group}[._]"):
        train(compose(*SMOKE, f"++{group}._target_=torch.os.system"), tmp_path / "run")


@pytest.mark.slow
def test_a_study_folder_has_hydra_run_nothing(whole: Whole, tmp_path: Path, tries: Tries) -> None:
    """Neither by the overrides in study.json nor by a config in the folder that it names."""
    place(tmp_path)
    shutil.copytree(whole.folder / "outputs", tmp_path / "outputs", symlinks=True)
    study = tmp_path / "outputs/torture/latest/study.json"
    declared = json.loads(study.read_text()) | {"config_dir": ["mine"]}
    evil = "{_target_: subprocess.run, args: [touch, evil]}"
    (tmp_path / "mine/exp/evil.yaml").write_text(
        f"# @package _global_\ndefaults: [torture]\nhydra:\n  callbacks:\n    x: {evil}\n"
    )
    (tmp_path / "mine/exp/env.yaml").write_text(
        "# @package _global_\ndefaults: [torture]\nhydra:\n  job:\n    env_set: {PATH: evil}\n"
    )
    logs = "{version: 1, handlers: {f: {class: logging.FileHandler, filename: evil}}}"
    basic = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
    for name, group in (
        ("log", f"hydra_logging: {logs}"),
        ("launch", "launcher: {_target_: subprocess.run}"),
        ("sweeper", f"sweeper: {{_target_: {basic}}}"),
    ):
        (tmp_path / f"mine/exp/{name}.yaml").write_text(
            f"# @package _global_\ndefaults: [torture]\nhydra:\n  {group}\n"
        )
    for overrides, says in (
        ([*declared["overrides"], f"+hydra.callbacks.x={evil}"], "must not set this key of Hydra"),
        ([*declared["overrides"], "hydra/job_logging=evil"], "must not set this key of Hydra"),
        ([*declared["overrides"], "+optimizer@hydra.callbacks.x=sgd"], "must not set this key of Hydra"),
        (["--config-path=evil"], "must not set this key of Hydra"),
        (["+exp=evil", "paths.data=data"], "hydra.callbacks.x._target_=subprocess.run: no callback of Hydra runs here"),
        (["+exp=env", "paths.data=data"], "hydra.job.env_set"),
        (["+exp=log", "paths.data=data"], "hydra.hydra_logging"),
        (["+exp=launch", "paths.data=data"], "hydra.launcher._target_=subprocess.run"),
        (["+exp=sweeper", "paths.data=data"], "hydra.sweeper._target_=hydra._internal"),
        (["+exp=torture,evil", "paths.data=data"], "hydra.callbacks.x._target_=subprocess.run"),
        (["+exp=torture,launch", "paths.data=data"], "hydra.launcher._target_=subprocess.run"),
    ):
        study.write_text(json.dumps(declared | {"overrides": overrides}))
        code, told = run("train", "resume=outputs/torture/latest", cwd=tmp_path, before=draw_little)
        assert (code, told.count("\n")) == (2, 1), told
        assert says in told
        tries.count("a study.json that would have Hydra run code", 1)
    assert not (tmp_path / "evil").exists()


def test_no_command_listens_or_connects(whole: Whole, tmp_path: Path, tries: Tries) -> None:
    """Every command of these tries is without a network; here it is seen that they end well so."""
    shutil.copytree(whole.folder, tmp_path / "here", symlinks=True)
    latest = "outputs/torture/latest"
    for command in (("evaluate", f"run={latest}/plain"), ("compare", latest, "--out", "out")):
        code, told = run(*command, cwd=tmp_path / "here", before=draw_little)
        assert code == 0, told
    assert "CONNECTED" not in told + (whole.folder / "log").read_text()
    tries.count("a command without a network", 3)


def test_tensorboard_listens_to_this_machine_alone() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert [line for line in makefile.splitlines() if "/tensorboard " in line and "--host localhost" not in line] == []


def test_every_dependency_is_pinned_to_a_version_that_fits() -> None:
    from packaging.requirements import Requirement

    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)] == []
    pinned = {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    others = [text for text in extras if not text.startswith("dnnx[")]  # an extra may hold another one
    for requirement in map(Requirement, [*project["dependencies"], *others]):
        assert pinned[requirement.name.lower()] in requirement.specifier, requirement


def test_every_target_of_conf_may_be_built() -> None:
    targets = re.findall(r"_target_: ([\w.]+)", "".join(path.read_text() for path in CONF.rglob("*.yaml")))
    assert len(targets) > 20
    allowed = ("dnnx.", "torch.", "lightning.", "torchmetrics.", "optuna.", "sklearn.", "hydra_plugins.dnnx_")
    assert [target for target in targets if not target.startswith(allowed)] == []
