"""A transfer study from one command: its backbone found or made, its arms one on another, resumed and tested again."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import command, compose, measured
from tiny_backbone import make_backbone, transfer

from dnnx.basics.errors import UserError
from dnnx.config import resume
from dnnx.config.continued import resumed_config
from dnnx.data.loaders import TrainBatches
from dnnx.evaluate import evaluate
from dnnx.studies.backbone import backbone_study
from dnnx.train import train

FROZEN = ["techniques.pretrained.frozen=['hidden_layers.[01].*']", "net.dropout=0.2", "callbacks.checkpoint.every_s=0"]
NEEDED_IN_SHORT = """
from dnnx.studies import backbone
plain = backbone.backbone_study
def short(config):
    words = plain(config)
    return words and [*words, "trainer.max_epochs=1", "seeds=2", "callbacks=default", "arm=bn"]
backbone.backbone_study = short
"""


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_backbone(tmp_path_factory.mktemp("backbone") / "run")


# --- the backbone


@pytest.mark.slow
def test_a_study_makes_its_backbone_once_and_an_arm_finds_another_in_the_same_setting(tmp_path: Path) -> None:
    small = ["jobs=1", "data.source=digits", "seeds=2", "trainer.max_epochs=1", "data.train_per_class=10,20"]
    typed = ["-m", "+exp=transfer", "arm=reuse4,unfreeze2", *small]
    done = command("train", *typed, cwd=tmp_path, before=NEEDED_IN_SHORT)
    assert done.returncode == 0, done.stderr
    assert "is no finished run: +exp=bn_vs_plain runs first, once" in " ".join(done.stdout.split())
    needed, latest = (tmp_path / "outputs" / name / "latest" for name in ("bn_vs_plain", "transfer"))
    assert (needed / "report.html").exists()
    for n in (10, 20):
        of_arm = {arm: latest / f"{arm}_data.train_per_class-{n}" for arm in ("reuse4", "unfreeze2")}
        starts = {arm: resume.load_config(folder, "run").backbone for arm, folder in of_arm.items()}
        assert starts == {"reuse4": str((needed / "bn").resolve()), "unfreeze2": str(of_arm["reuse4"].resolve())}
    again = of_arm["unfreeze2"] / "results.json"
    results = json.loads(again.read_text())
    again.unlink()
    resumed = command("train", "resume=outputs/transfer/latest", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "runs first" not in resumed.stdout
    assert measured(json.loads(again.read_text())) == measured(results)


def first(*overrides: str) -> list[str] | None:
    """The words of the study that would run before +exp=transfer with these overrides."""
    return backbone_study(compose("+exp=transfer", *overrides))


def test_the_needed_study_runs_with_the_same_data_in_the_same_outputs(tmp_path: Path) -> None:
    given = [f"paths.outputs={tmp_path}", "data.source=digits", "paths.data=d", "trainer.accelerator=cpu"]
    words = first(*given)
    assert words is not None
    assert words[0] == "+exp=bn_vs_plain"
    assert set(words[1:]) == set(given)


def test_a_needed_study_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    latest = tmp_path / "bn_vs_plain" / "latest"
    latest.mkdir(parents=True)
    (latest / "study.json").touch()
    assert first(f"paths.outputs={tmp_path}") == [f"resume={latest}"]


def test_a_finished_backbone_is_used_again(tmp_path: Path) -> None:
    finished = tmp_path / "bn_vs_plain" / "latest" / "bn"
    finished.mkdir(parents=True)
    (finished / "results.json").touch()
    assert first(f"paths.outputs={tmp_path}") is None


@pytest.mark.parametrize("own", ["backbone=elsewhere/run", "backbone=3", "backbone=null"])
def test_a_backbone_that_the_user_names_is_never_trained(tmp_path: Path, own: str) -> None:
    assert first(f"paths.outputs={tmp_path}", own) is None


def test_a_misspelt_arm_trains_no_backbone(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^backbone=.*/plian: .exp=bn_vs_plain would make plain and bn there; did you mean plain"
    ):
        first(f"paths.outputs={tmp_path}", "backbone=${paths.outputs}/bn_vs_plain/latest/plian")


def test_a_needed_study_runs_in_full_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = first(f"paths.outputs={tmp_path}", "seeds=2", "trainer.max_epochs=1")
    assert words is not None
    assert not any(word.startswith(("seeds", "trainer.max_epochs")) for word in words)
    told = " ".join(capsys.readouterr().out.split())
    assert "runs first, once, as it is declared, whatever is typed here: 2 arms, 10 seeds, up to 200 epochs" in told


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["backbone=outputs/gone"],
            r"backbone=outputs/gone: outputs/gone is no finished run; type the folder",
        ),
        (["backbone=3"], r"backbone=3: text or null"),
        (["backbone=arm:gone", "arm=here"], r"backbone=arm:gone: .*gone is no finished run"),
        (["backbone=null"], r"backbone=null: technique=pretrained needs a finished run; type the folder"),
        (["~techniques.pretrained"], r"backbone=.*: only \+technique=pretrained reads it"),
    ],
)
def test_a_missing_backbone_is_a_one_line_error(
    backbone: Path, tmp_path: Path, overrides: list[str], says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        train(compose(*transfer(backbone, *overrides)), tmp_path / "here")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_run_that_did_not_finish_is_no_backbone(backbone: Path, tmp_path: Path) -> None:
    unfinished = Path(shutil.copytree(backbone, tmp_path / "unfinished"))
    (unfinished / "results.json").unlink()
    with pytest.raises(UserError, match="unfinished is no finished run"):
        train(compose(*transfer(unfinished)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_backbone_made_before_a_network_had_a_setting_has_its_default(backbone: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(backbone, tmp_path / "old"))
    lines = (old / "config.yaml").read_text().splitlines(keepends=True)
    (old / "config.yaml").write_text("".join(line for line in lines if "dropout_kind" not in line))
    assert "dropout_kind" not in resume.settle_backbone(compose(*transfer(old)), Path()).net
    typed = resume.settle_backbone(compose(*transfer(old, "net.dropout_kind=alpha")), Path())
    assert typed.net.dropout_kind == "alpha"


def test_the_network_has_the_settings_of_its_backbone_except_the_typed_ones(backbone: Path) -> None:
    theirs = resume.load_config(backbone, "backbone").net
    assert resume.settle_backbone(compose(*transfer(backbone)), Path()).net == theirs
    other = resume.settle_backbone(compose(*transfer(backbone, "net.dropout=0.0")), Path()).net
    assert other == {**theirs, "dropout": 0.0}


# --- going on, and testing again


class Died(Exception):
    """Stands for whatever ends a process."""


def dying(plain: Any) -> Any:
    def batches(self: TrainBatches) -> Iterator:
        for i, batch in enumerate(plain(self)):
            if (self.epoch(), i) == (2, 3):
                raise Died
            yield batch

    return batches


@pytest.mark.parametrize("cached", ["false", "true"])
def test_a_killed_run_goes_on_to_the_same_results_and_weights(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: str
) -> None:
    cfg = compose(*transfer(backbone, *FROZEN, f"techniques.pretrained.cached={cached}"))
    undisturbed = train(cfg, tmp_path / "undisturbed")
    with monkeypatch.context() as patch:
        patch.setattr(TrainBatches, "__iter__", dying(TrainBatches.__iter__))
        with pytest.raises(Died):
            train(cfg, tmp_path / "killed")
    assert (tmp_path / "killed" / "checkpoints" / "last.ckpt").exists()
    assert measured(train(cfg, tmp_path / "killed")) == measured(undisturbed)
    bytes_of = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("killed", "undisturbed")]
    assert bytes_of[0] == bytes_of[1]


def test_resume_recognizes_a_transfer_run_and_names_the_differences(backbone: Path, tmp_path: Path) -> None:
    folder, typed = tmp_path / "run", transfer(backbone, *FROZEN, "trainer.max_epochs=1")
    train(compose(*typed), folder)
    again = resumed_config(compose(*typed, f"resume={folder}"), folder, [*typed, f"resume={folder}"])
    assert again.backbone == str(backbone)
    assert resumed_config(compose(f"resume={folder}"), folder, [f"resume={folder}"]).net == again.net
    for other, says in (
        ("techniques.pretrained.cached=true", "techniques.pretrained.cached"),
        ("techniques.pretrained.frozen=[]", "techniques.pretrained.frozen"),
    ):
        with pytest.raises(UserError, match=f"that run has another config: {says}"):
            resumed_config(compose(*typed, other), folder, [*typed, other])


def test_a_run_is_evaluated_after_its_backbone_was_deleted(backbone: Path, tmp_path: Path) -> None:
    gone = Path(shutil.copytree(backbone, tmp_path / "backbone"))
    results = train(compose(*transfer(gone, *FROZEN, "techniques.pretrained.cached=true")), tmp_path / "run")
    shutil.rmtree(gone)
    again = evaluate(compose(f"run={tmp_path / 'run'}", name="evaluate"))
    assert again == {name: results[name] for name in again}
