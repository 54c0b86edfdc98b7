"""A study from one command: every arm a job, an answer at the end, and nothing trained twice."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from commands import command, compose, slow_where, typed
from omegaconf import open_dict

from dnnx.basics.errors import UserError
from dnnx.config.paths import experiment, options
from dnnx.studies.claims import baseline, declared_verdicts
from dnnx.studies.plan import check_names, check_study
from dnnx.train import train
from dnnx.training import run

SMALL = ["data.source=digits", "seeds=2", "trainer.max_epochs=2", "jobs=1"]
GENTLE = "optimizer.lr=1e-3"  # a rate that is right for MNIST, or too high on purpose, diverges on digits
DIE_IN_SECOND_ARM = """
import os, signal
from hydra.core.hydra_config import HydraConfig
from dnnx.data import loaders
plain = loaders.TrainBatches.__iter__
def dying(self):
    if HydraConfig.get().job.num == 1 and self.epoch() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from plain(self)
loaders.TrainBatches.__iter__ = dying
"""
EARLY = {
    "techniques.pruning.from_epoch": "techniques.pruning.from_epoch=1",
    "techniques.pruning.until_epoch": "techniques.pruning.until_epoch=2",
    "trainer.max_epochs": "trainer.max_epochs=2",
}
EXPERIMENTS = options("exp")
TESTED_ELSEWHERE = {"images", "sequences", "tables", "text", "tiny"}  # folders whose studies need other data
LONG = {
    "optimizers", "schedules", "init", "cifar10_onecycle", "cifar10_bn", "cifar10_dropout", "cifar10_published",
    "cifar10_augmented", "adaptive", "schedules_adam", "default_recipe", "selu_depth", "init_schemes", "towers_plain",
    "adam_tolerance", "adam_rates", "activation_shapes", "dead_units", "logistic_init", "bn_regularizes", "bn_variants",
    "early_stopping", "dropout_half", "l2_zeros", "ten_digits", "ten_digits_deep", "ten_digits_augmented",
    "ten_digits_long", "dense5_tuned",
    "reuse_layers", "transfer_tuned", "unit_sparsity", "cyclical_rates",
}  # many arms, deep networks, or images  # fmt: skip
SEARCHED = {"schedules"}  # studies whose search of learning rates is tested too


@pytest.fixture
def undrawn(undrawn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares also the seconds of TensorBoard."""
    monkeypatch.setattr("dnnx.studies.study.log_report", lambda *_: None)


def folder_of(name: str) -> str:
    path = experiment(name)
    assert path
    return path.parent.name


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The arm of the experiment that others need, trained when it is first asked for."""
    folder = tmp_path_factory.mktemp("backbones")

    def make(needs: str, arm: str) -> Path:
        own = compose(f"+exp={needs}").study.arms[arm]
        train(compose(f"+exp={needs}", *SMALL, f"arm={arm}", *own), folder / needs / arm)
        return folder / needs / arm

    return make


@pytest.mark.parametrize("name", slow_where(LONG, [n for n in EXPERIMENTS if folder_of(n) not in TESTED_ELSEWHERE]))
def test_every_arm_of_every_experiment_trains(name: str, tmp_path: Path, backbones: Callable[[str, str], Path]) -> None:
    cfg = compose(f"+exp={name}")
    study = cfg.study
    default = f"{cfg.paths.outputs}/{study.needs}/latest/"
    source = "synthetic" if cfg.data.source == "cifar10" else "digits"
    size = 300 if name == "cifar10_augmented" else "null"  # SELU needs all images that standardize its inputs
    whole = [f"data.train_size={size}"] if "train_size" in cfg.data else []
    whole += ["data.pairs_per_epoch=320"] if "pairs_per_epoch" in cfg.data else []
    given = [*SMALL, *whole, f"data.source={source}", "data.batch_size=32"]
    for arm, overrides in (study.arms or {"null": []}).items():
        early = [EARLY.get(typed.split("=")[0], typed) for typed in overrides]
        cfg = compose(f"+exp={name}", *given, f"arm={arm}", *early, GENTLE)
        if str(cfg.backbone).startswith(default):
            cfg.backbone = str(backbones(study.needs, Path(cfg.backbone).name))
        if name not in SEARCHED:
            with open_dict(cfg):
                cfg.pop("lr_search", None)
        results = train(cfg, tmp_path / f"{arm}")
        assert results["epoch/last"] == [2, 2]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_states_its_command_its_cost_and_its_answer(name: str) -> None:
    path = experiment(name)
    assert path
    text = path.read_text()
    header = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for told in (f"# python -m dnnx.train +exp={name} ", "of training on", "Answer: ", "docs/results/"):
        assert told in header, f"not told: {told}"
    assert yaml.safe_load(text)["name"] == name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_verdicts_name_existing_arms(name: str) -> None:
    study = compose(f"+exp={name}").study
    for verdict in declared_verdicts(study):
        assert {verdict["arm"], verdict["than"]} <= set(study.arms)
    assert not study.arms or baseline(study) in study.arms


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_passes_the_checks_of_a_whole_study(name: str) -> None:
    """Each arm alone is trained by another test; this is what `dnnx train +exp=<name>` asks before the first arm."""
    config = compose(f"+exp={name}")
    check_study(config)
    check_names(config.study.arms, config.study.arms)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_found_with_and_without_its_folder(name: str) -> None:
    path = experiment(name)
    assert path
    assert compose(f"+exp={path.parent.name}/{name}") == compose(f"+exp={name}")
    assert path.parent.name not in EXPERIMENTS, "a folder of the same name would hide it"


def test_a_study_runs_its_arms_and_answers(tmp_path: Path) -> None:
    done = command("train", "+exp=bn_vs_plain", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = tmp_path / "outputs" / "bn_vs_plain" / "latest"
    assert "plain (1 of 2)" in done.stdout
    assert "bn (2 of 2" in done.stdout
    assert "bn is more accurate than plain" in done.stdout
    assert (study / "report.html").exists()
    norms = [yaml.safe_load((study / arm / "config.yaml").read_text())["net"]["norm"] for arm in ("plain", "bn")]
    assert norms == [None, "batch"]


@pytest.mark.slow
def test_an_interrupted_study_goes_on_without_training_finished_arms_again(tmp_path: Path) -> None:
    killed = command("train", "+exp=bn_vs_plain", *SMALL, cwd=tmp_path, before=DIE_IN_SECOND_ARM)
    assert killed.returncode == -9, killed.stderr
    study = tmp_path / "outputs" / "bn_vs_plain" / "latest"
    trained = (study / "plain" / "results.json").stat().st_mtime_ns
    assert not (study / "bn" / "results.json").exists()
    done = command("train", "resume=outputs/bn_vs_plain/latest", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (study / "plain" / "results.json").stat().st_mtime_ns == trained
    assert json.loads((study / "bn" / "results.json").read_text())["epoch/last"] == [2, 2]
    assert (study / "report.html").exists()
    assert len([path for path in study.parent.iterdir() if not path.is_symlink()]) == 1


@pytest.mark.slow
def test_a_sweep_over_a_study_asks_its_questions_for_every_setting(tmp_path: Path) -> None:
    done = command("train", "-m", "+exp=bn_vs_plain", *SMALL, "optimizer.lr=1e-3,3e-3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = tmp_path / "outputs" / "bn_vs_plain" / "latest"
    declared = json.loads((study / "study.json").read_text())
    assert declared["arms"] == [
        "plain_optimizer.lr-0.001", "plain_optimizer.lr-0.003", "bn_optimizer.lr-0.001", "bn_optimizer.lr-0.003",
    ]  # fmt: skip
    assert all((study / arm / "results.json").exists() for arm in declared["arms"])
    assert declared["axes"] == ["optimizer.lr"]
    assert (study / "figures" / "by_optimizer.lr.svg").exists()
    assert "bn_optimizer.lr-0.003 converges in fewer epochs than plain_optimizer.lr-0.003" in done.stdout


@pytest.mark.slow
def test_keys_are_swept_in_any_order(tmp_path: Path) -> None:
    swept = ["net.dropout=0.1,0.2", "data.batch_size=16,32"]
    done = command("train", "-m", "+exp=dense5", *SMALL, "trainer.max_epochs=1", *swept, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "dense5" / "latest" / "report.html").exists()


@pytest.mark.parametrize("word", ["net.norm=batch", "++net.norm=batch"])
def test_the_keys_in_which_arms_differ_are_left_to_the_arms(word: str, tmp_path: Path) -> None:
    code, said = typed("train", "+exp=bn_vs_plain", *SMALL, word, cwd=tmp_path)
    assert code == 2
    assert said == "error: net.norm=...: the arms plain and bn differ in nothing else; leave it to them\n"
    assert not (tmp_path / "outputs").exists()


def test_a_folder_that_is_no_study_is_left_alone(tmp_path: Path) -> None:
    notes = tmp_path / "outputs" / "notes" / "thesis.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("thesis")
    code, said = typed("train", "+exp=bn_vs_plain", *SMALL, "resume=outputs/notes", "optimizer.lr=-1", cwd=tmp_path)
    assert code == 2
    assert "resume=outputs/notes: it holds no study.json" in said
    assert [path.name for path in notes.parent.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=processes"]])
def test_a_resumed_study_that_is_refused_says_so_and_can_still_be_resumed(tmp_path: Path, launcher: list[str]) -> None:
    if launcher:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    small = [word for word in SMALL if word != "jobs=1" or not launcher]
    study = tmp_path / "outputs" / "bn_vs_plain" / "latest"
    assert command("train", "+exp=bn_vs_plain", *small, cwd=tmp_path).returncode == 0
    resume = "resume=outputs/bn_vs_plain/latest"
    done = command("train", "+exp=bn_vs_plain", *small, resume, "net.dropout=0.3", *launcher, cwd=tmp_path)
    assert done.returncode == 2
    assert "net.dropout (0.0 there, 0.3 here)" in done.stderr
    assert not list(study.rglob("failed.txt"))
    (study / "bn" / "results.json").unlink()
    assert command("train", resume, cwd=tmp_path).returncode == 0
    assert (study / "bn" / "results.json").exists()


@pytest.mark.slow
def test_an_arm_that_fails_leaves_the_others_and_exit_code_2(tmp_path: Path) -> None:
    done = command("train", "-m", "+exp=dense5", *SMALL, "net.dropout=0.1,1.5", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: net.dropout=1.5: a share in [0, 1)" in done.stderr
    assert (tmp_path / "outputs" / "dense5" / "latest" / "net.dropout-0.1" / "results.json").exists()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("study.reference=plane", "study.reference=plane: choose one of plain, bn; did you mean plain?"),
        ("study.verdicts=[{ask: a, metric: b, arm: bm, than: plain, expect: higher}]", "study.verdicts.arm=bm"),
        ("study.verdicts=[{question: a}]", "study.verdicts=['question']: each has just the keys"),
        ("study.verdicts=[{ask: a, metric: b, arm: bn, than: plain, expect: more}]", "study.verdicts.expect=more"),
        (
            "study.verdicts=[{ask: a, metric: b, than_metric: c, arm: bn, than: plain, expect: more}]",
            "study.verdicts.expect=more",
        ),
    ],
)
def test_a_study_without_a_possible_report_is_refused_before_training(override: str, says: str, tmp_path: Path) -> None:
    done = command("train", "+exp=bn_vs_plain", *SMALL, override, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "parameters each" not in done.stdout


def test_a_study_is_not_written_into_the_folder_of_one_arm(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "config.yaml").write_text("name: made")
    done = command("train", "+exp=bn_vs_plain", "arm=bn", "resume=made", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: resume=made: it is one run, not a study; to go on with it, type nothing else\n"
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "config.yaml"]


def test_a_learning_rate_is_either_swept_or_searched(tmp_path: Path) -> None:
    done = command("train", "-m", "+exp=dense5", "optimizer.lr=1e-4,1e-3", "lr_search=grid", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: optimizer.lr=...: it is swept, and lr_search would search it; type one of the two\n"
    assert not list(tmp_path.iterdir())


def test_a_swept_learning_rate_is_not_searched_by_an_arm(tmp_path: Path) -> None:
    arms = "study.arms={plain:[],bn:['net.norm=batch','lr_search=grid']}"
    code, said = typed("train", "-m", "+exp=bn_vs_plain", *SMALL, arms, "optimizer.lr=1e-4,1e-3", cwd=tmp_path)
    assert code == 2
    assert said == "error: optimizer.lr=...: it is swept, and lr_search would search it; type one of the two\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ("{plain:[],bn:['optimizer=null']}", "optimizer=null: choose one of adagrad, adam"),
        (
            "{plain:[],bn:'net.norm=batch'}",
            'study.arms.bn=net.norm=batch: a list of overrides, such as ["net.norm=batch"]',
        ),
        ('{plain:[],bn:"[net.norm=batch]"}', 'study.arms.bn=[net.norm=batch]: a list of overrides, such as ["net.n'),
        ("plain", "study.arms=plain: a mapping of arms to lists of overrides"),
        ("[plain,bn]", "study.arms=[plain,bn]: a mapping of arms to lists of overrides, such as 'study.arms="),
    ],
)
def test_an_invalid_arm_is_refused_before_any_arm_trains(arms: str, says: str, tmp_path: Path) -> None:
    code, said = typed("train", "+exp=bn_vs_plain", *SMALL, f"study.arms={arms}", cwd=tmp_path)
    assert code == 2
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_error_that_all_arms_share_is_printed_once(tmp_path: Path) -> None:
    code, said = typed("train", "+exp=bn_vs_plain", *SMALL, "net.dropout=2", cwd=tmp_path)
    assert code == 2
    assert said == "error: net.dropout=2: a share in [0, 1), for example net.dropout=0.3\n"


def test_a_study_without_an_epoch_has_one_error_and_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UserError("made up")

    monkeypatch.setattr("dnnx.training.announce.announce", fail)
    code, said = typed("train", "+exp=bn_vs_plain", *SMALL, cwd=tmp_path)
    assert (code, said) == (2, "error: made up\n")
    assert not list(tmp_path.rglob("report.html"))


@pytest.mark.usefixtures("undrawn")
def test_a_report_over_an_arm_that_failed_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run.Run.trained

    def trained(self: run.Run) -> None:
        if self.cfg.arm == "bn":
            raise UserError("made up")
        plain(self)

    monkeypatch.setattr(run.Run, "trained", trained)
    code, said = typed("train", "+exp=bn_vs_plain", *SMALL, cwd=tmp_path)
    assert code == 2
    (study,) = tmp_path.glob("outputs/bn_vs_plain/2*")
    again = f"go on with: python -m dnnx.train resume={study.relative_to(tmp_path)}"
    assert said.splitlines() == [
        "error: made up", "bn failed: made up",
        f"error: bn_vs_plain is not complete: 1 of 2 arms failed, bn; mend the cause, then {again}",
    ]  # fmt: skip
    (report,) = tmp_path.rglob("report.md")
    assert "bn has no results: failed, stopped, or still in training" in report.read_text()


def test_one_arm_of_a_study_can_be_run_alone(tmp_path: Path) -> None:
    done = command("train", "+exp=bn_vs_plain", *SMALL, "arm=bn", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = tmp_path / "outputs" / "bn_vs_plain" / "latest"
    assert sorted(path.name for path in study.iterdir() if path.is_dir() and path.name != "figures") == ["bn"]


@pytest.mark.parametrize(
    ("typed", "says"), [("arm=bm", "arm=bm: choose one of plain, bn"), ("seeds=-3", "seeds=-3: a count of at least 1")]
)
def test_an_unknown_arm_or_a_bad_seed_is_a_one_line_error(typed: str, says: str, tmp_path: Path) -> None:
    done = command("train", "+exp=bn_vs_plain", *SMALL[:-1], "jobs=2", typed, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert not list(tmp_path.rglob("study.json")), "a study without arms leaves nothing"
