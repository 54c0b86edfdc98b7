"""Nothing of others' code is imported or run, whatever a run folder, a study.json or a best.yaml names.

Until its package is typed; and then only classes of the kind that their group needs.
"""

import contextlib
import inspect
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torchmetrics
from commands import python, typed
from omegaconf import OmegaConf

from dnnx.basics.errors import UserError
from dnnx.config.build import BASES, bases_of
from dnnx.config.locate import locate
from dnnx.config.own_code import own_targets
from dnnx.config.params import read_params
from dnnx.config.resume import load_config
from dnnx.config.trust import NESTED, check_run, known_targets, limit, typed_packages

TINY = ["data.source=digits", "seeds=2", "trainer.max_epochs=1"]
PACKAGES = ["torch", "lightning", "optuna", "torchmetrics", "sklearn"]
EVIL = """
from pathlib import Path
from torch import nn
Path("was_run").touch()
def run(**_): pass
class Net(nn.Module): pass
"""
# Programs are run, files emptied, code evaluated by the constructors of some of these.
NASTY = [
    "os.system", "subprocess.Popen", "builtins.exec", "torch.os.system", "torch.load", "torch.hub.load",
    "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler",
    "torch.utils.benchmark.Timer", "torch.package.PackageExporter", "torch.utils.cpp_extension.load_inline",
    "dnnx.runs.files.write_text", "evil.run", "evil.Net", "pathlib.Path",
]  # fmt: skip
KEYS = [
    "net", "data", "task", "optimizer", "scheduler", "trainer", "callbacks.x", "techniques.x", "module", "metrics.x"
]  # fmt: skip


def config(key: str, target: Any) -> dict[str, Any]:
    group, _, name = key.partition(".")
    node = {"_target_": target}
    return {group: {name: node} if name else node}


def every_class() -> Iterator[tuple[str, type]]:
    """Every class in a loaded module of the packages, by each path that reaches it."""
    import lightning.pytorch
    import optuna
    import sklearn.ensemble
    import torch.distributed.elastic.multiprocessing.subprocess_handler
    import torch.package
    import torch.utils.benchmark

    assert {lightning, optuna, sklearn, torch, torchmetrics}
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] in PACKAGES and module is not None and re.fullmatch(r"[\w.]+", name):
            for attribute, value in sorted(vars(module).items()):
                if inspect.isclass(value) and attribute.isidentifier():
                    yield f"{name}.{attribute}", value


def is_refused(found: dict[str, Any], packages: list[str]) -> bool:
    try:
        limit(found, packages)
    except UserError:
        return True
    return False


def test_no_class_of_an_installed_package_is_taken_but_those_of_conf() -> None:
    classes = dict(every_class())
    assert len(classes) > 5000
    assert "torch.utils.benchmark.Timer" in classes
    taken = {(key, path) for path in classes for key in KEYS if not is_refused(config(key, path), [])}
    assert {path for _, path in taken} == known_targets() & classes.keys()


@pytest.mark.slow
def test_a_typed_package_opens_only_classes_of_the_kind_that_a_group_needs() -> None:
    opened: dict[str, int] = {}
    for path, kind in dict(every_class()).items():
        for key in KEYS:
            if is_refused(config(key, path), PACKAGES) or path in known_targets():
                continue
            opened[key] = opened.get(key, 0) + 1
            group = key.split(".")[0]
            if group in BASES:
                assert issubclass(kind, bases_of(group)[0])
            else:
                assert issubclass(kind, torchmetrics.Metric)
            assert kind.__module__.split(".")[0] == path.split(".")[0]
    assert opened["net"] > 100
    assert "task" not in opened


def test_a_typed_package_opens_estimators_but_none_that_reads_a_folder_of_pickles() -> None:
    known = {"baseline": {"_target_": "sklearn.neighbors.KNeighborsClassifier"}}
    limit(known, ["sklearn"])
    for target in ("sklearn.pipeline.Pipeline", "sklearn.preprocessing.StandardScaler", "sklearn.datasets.load_files"):
        with pytest.raises(UserError, match="class with fit and predict, without the argument memory"):
            limit({"baseline": {"_target_": target}}, ["sklearn"])


@pytest.mark.parametrize("target", NASTY)
@pytest.mark.parametrize("packages", [[], PACKAGES])
def test_a_function_or_a_class_of_another_kind_is_refused_in_any_place(target: str, packages: list[str]) -> None:
    inner = {"_target_": "torch.optim.SGD", "params": {"_target_": target}}
    places = [config(key, target) for key in KEYS]
    places += [{"net": {"_target_": "dnnx.nets.dense.DenseNet", "hidden": [{"_target_": target}]}}]
    places += [{"net": {"_target_": "dnnx.nets.dense.DenseNet", "a": {"b": inner}}}, {"metrics": {"x": target}}]
    assert all(is_refused(place, packages) for place in places)


@pytest.mark.parametrize("target", [None, 3, ["a.b"], {"a": "b"}, "", "a b.c", "${oc.env:HOME}"])
def test_a_target_that_is_no_path_is_refused(target: Any) -> None:
    for key in KEYS:
        with pytest.raises(UserError):
            limit(config(key, target), [])


def test_a_typed_config_is_trusted_and_names_of_packages_are_read_from_overrides() -> None:
    found = config("net", "evil.Net")
    limit(found, [], OmegaConf.create(found))
    assert typed_packages(["seeds=2", "packages=[a,b_c]"]) == ["a", "b_c"]
    assert typed_packages(["seeds=2", "++net.packages=[a]"]) == []
    for wrong in ("packages=a", "packages=[a.b]", "packages=[1]"):
        with pytest.raises(UserError, match="packages="):
            typed_packages([wrong])
    assert all(re.fullmatch(r"[\w.]+", path) for path in NESTED)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, outputs/run/latest."""
    folder = tmp_path_factory.mktemp("made")
    assert typed("train", *TINY, "name=run", cwd=folder) == (0, "")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    sys.modules.pop("evil", None)
    return tmp_path


def refused(here: Path, *words: str, says: str = "the folder names this code") -> None:
    code, said = typed(*words, cwd=here)
    assert (code, says in said) == (2, True), said
    assert not (here / "was_run").exists()


RUN = "outputs/run/latest"


@pytest.mark.parametrize("key", ["net", "data", "optimizer", "trainer", "callbacks.progress", "metrics.x", "task"])
def test_a_run_folder_cannot_name_code(key: str, here: Path) -> None:
    path = here / RUN / "config.yaml"
    found = OmegaConf.load(path)
    found.packages = ["evil", "torch"]
    for target in ("torch.utils.benchmark.Timer", "evil.Net"):
        OmegaConf.update(found, f"{key}._target_", target, force_add=True)
        path.write_text(OmegaConf.to_yaml(found))
        refused(here, "evaluate", f"run={RUN}")
    refused(here, "train", f"resume={RUN}")
    refused(here, "train", f"resume={RUN}", "trainer.max_epochs=2")
    refused(here, "train", *TINY, "+technique=pretrained", "net=backbone", f"backbone={RUN}")
    OmegaConf.update(found, f"{key}._target_", "evil.run", force_add=True)
    path.write_text(OmegaConf.to_yaml(found))
    code, said = typed("evaluate", f"run={RUN}", "packages=[evil]", cwd=here)
    assert code == 2
    assert "named by a run folder, it must be defined in evil and be a" in said


def test_a_study_folder_cannot_name_code_nor_trust_for_itself(here: Path) -> None:
    study = here / "outputs/study"
    (study / "mine/exp").mkdir(parents=True)
    (study / "mine/exp/body.yaml").write_text(
        "# @package _global_\nstudy: {arms: {a: [], b: [net.norm=batch]}}\nnet: {_target_: evil.Net}\n"
    )
    (study / "mine/exp/trusting.yaml").write_text(
        "# @package _global_\nstudy: {arms: {a: [], b: [net.norm=batch]}}\npackages: [evil]\nnet: {_target_: evil.Net}\n"  # noqa: E501
    )
    (study / "mine/exp/arms.yaml").write_text(
        "# @package _global_\nstudy: {arms: {a: ['packages=[evil]', net._target_=evil.Net], b: []}}\n"
    )
    declared = {
        "name": "study", "question": None, "reference": "a", "arms": ["a", "b"], "verdicts": [], "axes": [],
        "config_dir": ["outputs/study/mine"],
    }  # fmt: skip
    for overrides, says in (
        (
            ["+exp=body", *TINY],
            "the folder names this code, which is not of dnnx; type 'packages=[evil]' if it is yours",
        ),
        (["+exp=arms", *TINY], "packages=...: it is typed on the command line"),
        (["+exp=trusting", *TINY], "packages=['evil']: it is typed on the command line"),
        (["+exp=bn_vs_plain", "net._target_=evil.Net", *TINY], "the folder names this code"),
        (["+exp=bn_vs_plain", "net._target_=evil.Net", "packages=[evil]", *TINY], "the folder names this code"),
        (["+exp=bn_vs_plain", "+callbacks.x={_target_: evil.run}", *TINY], "the folder names this code"),
        (["+exp=bn_vs_plain", "+metrics.x=evil.run", *TINY], "the folder names this code"),
    ):
        (study / "study.json").write_text(json.dumps(declared | {"overrides": overrides}))
        refused(here, "train", "resume=outputs/study", says=says)


@pytest.mark.slow
def test_a_study_folder_opens_no_folder_for_imports(here: Path) -> None:
    """Hydra searches for plugins in every folder of sys.path, and libraries try optional imports."""
    study = here / "outputs/study"
    declared = {"arms": ["a"], "config_dir": ["outputs/study/mine"], "overrides": ["+exp=body", *TINY]}
    (study / "mine/exp").mkdir(parents=True)
    (study / "mine/exp/body.yaml").write_text("# @package _global_\nstudy: {arms: {a: [], b: [net.norm=batch]}}\n")
    (study / "study.json").write_text(json.dumps(declared))
    for folder in (study, study / "mine"):
        (folder / "hydra_plugins").mkdir()
        for name in ("hydra_plugins/evil.py", "optional_module.py"):
            (folder / name).write_text(EVIL)
    run = """
import runpy, sys
sys.argv = ["dnnx.train", "resume=outputs/study", "--jobs"]
try:
    runpy.run_module("dnnx.train", run_name="__main__")
except SystemExit:
    pass
try:
    import optional_module
    print("IMPORTED")
except ImportError:
    print("ABSENT")
"""
    ended = python(f"import atexit\natexit.register = lambda *_: None\n{run}", here)
    assert ended.stdout.endswith("ABSENT\n"), ended.stderr
    assert "resume=outputs/study/a" in ended.stdout
    assert not (here / "was_run").exists()


def test_packages_that_are_typed_are_found_in_the_study_s_folder_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("typed_package", "untyped_package"):
        (tmp_path / f"{name}.py").write_text("class Net: pass\n")
    own_targets(["resume=x", "packages=[typed_package]"], "train", [str(tmp_path)])
    assert locate("net", "typed_package.Net").__name__ == "Net"
    with pytest.raises(UserError, match="there is no module untyped_package"):
        locate("net", "untyped_package.Net")


# Each way in which a folder or a file of somebody else names a class: a function that reads it there.
def by_run_folder(here: Path, key: str, target: str) -> None:
    path = here / RUN / "config.yaml"
    found = OmegaConf.load(path)
    OmegaConf.update(found, f"{key}._target_", target, force_add=True)
    (here / "given").mkdir(exist_ok=True)
    (here / "given/config.yaml").write_text(OmegaConf.to_yaml(found))
    load_config(here / "given", "run")


def by_words_of_study_json(here: Path, key: str, target: str) -> None:
    words = ["resume=given", f"++{key}._target_={target}"]
    check_run(OmegaConf.create({"packages": [], "resume": "given", **config(key, target)}), words)


def by_best_yaml(here: Path, key: str, target: str) -> None:
    (here / "best.yaml").write_text(f"{key}._target_: {target}\n")
    read_params(here / "best.yaml", [])


WAYS = [by_run_folder, by_words_of_study_json, by_best_yaml]


def walked(here: Path, paths: list[str]) -> set[str]:
    """Return those of the classes that some way, in some group, lets through."""
    taken = set()
    for way in WAYS:
        for place, path in enumerate(paths):
            for key in KEYS if len(paths) < 20 else [KEYS[place % len(KEYS)]]:
                with contextlib.suppress(UserError):
                    way(here, key, path)
                    taken.add(path)
    return taken


def test_each_way_in_refuses_what_conf_does_not_name(here: Path) -> None:
    assert walked(here, [NASTY[6], NASTY[9], "torch.nn.Linear"]) == set()
    assert walked(here, ["dnnx.nets.dense.DenseNet"]) == {"dnnx.nets.dense.DenseNet"}


@pytest.mark.slow
def test_each_way_in_refuses_a_sample_of_all_classes(here: Path) -> None:
    paths = sorted(dict(every_class()))[::400]
    assert walked(here, paths) <= known_targets()


def test_a_best_yaml_cannot_name_code(here: Path) -> None:
    best = here / "best.yaml"
    for text in ("net._target_: evil.Net", "metrics.x: evil.run", "optimizer.a.b._target_: evil.run"):
        best.write_text(text)
        with pytest.raises(UserError, match="the folder names this code"):
            read_params(best, ["seeds=3"])
    best.write_text("net._target_: evil.Net")
    refused(here, "train", *TINY, "params=best.yaml")
    best.write_text("packages: [evil]")
    with pytest.raises(UserError, match=r"packages=\.\.\.: it is typed"):
        read_params(best, [])
    best.write_text("hydra.callbacks.x._target_: evil.run")
    with pytest.raises(UserError, match="it must not set keys of Hydra"):
        read_params(best, [])
    best.write_text("metrics: '{x: evil.run}'")
    assert read_params(best, []) == ["metrics='{x: evil.run}'"], "a text, not a mapping"
