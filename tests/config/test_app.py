"""The command line answers at once, finds conf/ anywhere, and ends a user's mistake in one line."""

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from commands import command, python, typed

from dnnx.config.overrides import choose_groups


@pytest.mark.parametrize(
    "words",
    [
        "train --help", "train --cfg job", "train optmizer.lr=1", "train +exp=bn_vs_plain optmizer.lr=1",
        "tune --help", "tune +exp=dense5 +sweep=dense5 optmizer.lr=1", "evaluate --help", "import_weights --help",
        "commands.predict --help", "commands.predict run=nowhere .", "commands.export run=nowhere",
    ],
)  # fmt: skip
def test_help_config_and_misspelt_keys_need_no_torch(words: str, tmp_path: Path) -> None:
    module, *arguments = words.split()
    code = f"""
import sys
sys.argv = ["dnnx.{module}", *{arguments!r}]
from dnnx.{module} import main
try:
    main()
except SystemExit:
    pass
print("heavy:", {{"torch", "lightning", "sklearn", "scipy", "pandas", "optuna", "matplotlib"}} & set(sys.modules))
"""
    started = time.perf_counter()
    done = python(code, tmp_path)
    print(f"answered in {time.perf_counter() - started:.1f} s")
    assert done.stdout.endswith("heavy: set()\n"), done.stdout + done.stderr


def test_a_misspelt_key_names_near_misses(tmp_path: Path) -> None:
    done = command("train", "optimizer.lrr=1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: optimizer.lrr: there is no such key; did you mean optimizer.lr")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("+exp=dens5", "exp=dens5: there is no such experiment; did you mean dense5?; a file exp/... of yours needs"),
        ("+exp=typo", "exp=typo: there is no such experiment; a file exp/... of yours needs --config-dir FOLDER; dnnx"),
        ("data.file=a.csv", "data.file: there is no such key; data=npz, series, table, text have it: type one, or"),
        ("net=dense", "net=dense: choose one of alexnet, alexnet28"),
        ("resume=nowhere", "resume=nowhere: there is no such folder"),
        ("seeds", "missing EQUAL"),
        ("name=zahl_ü", """name=zahl_ü: it cannot be parsed; quotes help, as in 'name="zahl_ü"'"""),
        (
            "+study.arms.max=[net._target_=my.Net,net.hidden=[2,3]]",
            """quotes help, as in '+study.arms.max=["net._target_=my.Net","net.hidden=[2,3]"]'\n""",
        ),
        ('name=a"b"ü', "it cannot be parsed; see hydra.cc"),
        ("trainer.precision=16-mixed", "type +trainer.precision=... to add it"),
        ("optimizer.betas=[0.8,0.9]", "it is not in conf/optimizer; type +optimizer.betas=... to add it for FusedAdam"),
        ("optimizer=sgd optimizer.dampening=1", "type +optimizer.dampening=... to add it for SGD"),
        ("optimizer.params=3", "optimizer.params: there is no such key; did you mean"),
        ("optimizer=sgd optimizer.betas=3 foo=1", "optimizer.betas: there is no such key"),
        ("optimizer=sgd optimizer.dampening=1 foo=1", "type +optimizer.dampening=... to add it for SGD"),
        ("study.arms={a:[]}", "error: study.arms: type +study.arms=... to add keys to it"),
        ("paths={output:x}", "error: paths: its keys are data, outputs; type each as paths.data=..."),
        ("+techniques={foo:1}", "error: techniques.foo._target_=null: the path of a class"),
        ("techniques={foo:1}", "error: techniques: type +technique=NAME and techniques.NAME.KEY=..."),
        ("trainer.accelerator=tpu", "trainer.accelerator=tpu: choose one of auto, cpu, cuda, gpu"),
        ("trainer.devices=2", "trainer.devices=2: only 1 is valid"),
        ("~optimizer", "optimizer=null: choose one of adagrad, adam"),
        ("+technique=pretrained", "type the folder of one, such as backbone=outputs"),
        ("optimizer.lr=-1", "optimizer.lr=-1: a number above 0, for example optimizer.lr=1e-3"),
        ("lr_search=3", "lr_search=3: choose one of grid, range"),
        ("scheduler=true", "scheduler=True: choose one of constant, cosine"),
        ("-m net=dense5,null", "net=null: choose one of alexnet, alexnet28"),
        ("optimizer=null", "optimizer=null: choose one of adagrad, adam"),
        ("-m optimizer.lr=1e-3 optimizer.lr=1,2", "optimizer.lr=...: it is given 2 times, once as a sweep"),
    ],
)
def test_a_config_that_hydra_cannot_compose_is_a_one_line_error(argument: str, says: str, tmp_path: Path) -> None:
    done = command("train", *argument.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("name=..", "name=..: a name does not begin with a dot"),
        ("paths.outputs=''", "paths.outputs='': a folder"),
        ("params=3", "params=3: there is no such file"),
        ("seeds=1e9", "seeds=1000000000.0: a count of at least 1, at most 10,000"),
    ],
)
def test_an_impossible_value_is_a_one_line_error_and_removes_no_folder(
    argument: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    code, said = typed("train", "+exp=dense5", argument, cwd=tmp_path / "empty")
    assert code == 2
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


@pytest.mark.parametrize(
    ("word", "means"),
    [("True", ["lr_search=grid"]), ("TRUE", ["lr_search=grid"]), ("grid", ["lr_search=grid"])]
    + [(word, []) for word in ("false", "False", "null")],
)
def test_lr_search_is_on_or_off_in_any_spelling(word: str, means: list[str]) -> None:
    around = ["-m", "name='lr_search=true'", "seeds=2"]
    assert choose_groups([*around, f"lr_search={word}"]) == [*around, *means]


def test_a_wheel_carries_conf_and_runs_from_another_folder(tmp_path: Path) -> None:
    repository = Path(__file__).parents[2]
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = """
import sys
sys.argv = ["dnnx.train", "+exp=dense5", "--cfg", "job"]
import dnnx.train
assert "installed" in dnnx.train.__file__
dnnx.train.main()
"""
    done = python(code, elsewhere, PYTHONPATH=str(tmp_path / "installed"))
    assert "name: dense5" in done.stdout, done.stderr


@pytest.mark.parametrize(("word", "code"), [("seeds=3", 0), ("data.batchsize=3", 2)])
def test_a_program_that_ends_at_once_has_printed_its_whole_error(tmp_path: Path, word: str, code: int) -> None:
    typed = [sys.executable, "-m", "dnnx.train", "+exp=dense5", word, "--cfg", "job"]
    done = subprocess.run(typed, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == code
    assert ("patience: 15" in done.stdout) == (code == 0)
    assert done.stderr.startswith("error: data.batchsize") == (code == 2)


@pytest.mark.parametrize("text", ["[" * 3000 + "]" * 3000, "\n" + "".join(
    f"  {name}: &{name} [{','.join([f'*{above}'] * 9)}]\n" if above else f"  {name}: &{name} [1,1,1,1,1,1,1,1,1]\n"
    for above, name in zip(["", *"abcdefg"], "abcdefgh", strict=True)
)])  # fmt: skip
def test_a_config_that_fills_the_memory_or_nests_too_deep_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine/exp").mkdir(parents=True)
    (tmp_path / "mine/exp/bomb.yaml").write_text(f"# @package _global_\nx: {text}\n")
    code, said = typed("train", "--config-dir", "mine", "+exp=bomb", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert "mine/exp/bomb.yaml: it " in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "--confg-dir", "mine", "+exp=a"], "--confg-dir: there is no such flag; did you mean --config-dir"),
        (["train", "--confg-dir=mine", "+exp=a"], "--confg-dir: there is no such flag; did you mean --config-dir"),
        (["train", "--job", "+exp=dense5"], "--job: there is no such flag; did you mean --jobs"),
        (["tune", "--jobs"], "--jobs: there is no such flag; choose one of --config-dir, --cfg, --info, --help, -m"),
        (["train", "-x"], "-x: there is no such flag; choose one of --config-dir, --cfg, --info, --help, -m, --jobs"),
    ],
)
def test_an_unknown_flag_is_one_line_with_near_misses(words: list[str], says: str, tmp_path: Path) -> None:
    code, said = typed(words[0], *words[1:], cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"error: {says}")


def test_an_experiment_of_the_users_without_its_folder_is_found_and_named(tmp_path: Path) -> None:
    (tmp_path / "mine/exp").mkdir(parents=True)
    (tmp_path / "mine/exp/wide.yaml").write_text("# @package _global_\nname: wide\n")
    code, said = typed("train", "+exp=wide", cwd=tmp_path)
    assert (code, said) == (
        2, "error: exp=wide: mine/exp/wide.yaml is a file of yours; type --config-dir mine before +exp=wide\n"
    )  # fmt: skip
    assert typed("train", "--config-dir", "mine", "+exp=wide", "--cfg", "job", cwd=tmp_path) == (0, "")
    assert "a file exp/... of yours needs --config-dir FOLDER" in typed("train", "+exp=wode", cwd=tmp_path)[1]
