"""A backbone that no arm could start from, or that is a short try, is noticed before the first arm, with a command."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import compose, typed
from omegaconf import OmegaConf

from dnnx.basics.errors import UserError
from dnnx.config.compose import compose as compose_with
from dnnx.config.seeds import parse_seeds
from dnnx.studies.backbone import backbone_study, check_backbones, extend_backbone
from dnnx.studies.plan import Plan
from dnnx.studies.until import check_before

TRANSFER = ("+exp=transfer", "data.source=digits", "trainer.max_epochs=1", "jobs=1")


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Return a function that writes the run folder of a backbone at outputs/bn_vs_plain/latest/bn."""

    def write(
        *words: str, seeds: int = 5, last: int = 20, diverged: tuple[int, ...] = (), source: str = "digits"
    ) -> Path:
        study = tmp_path / "outputs/bn_vs_plain/latest"
        (study / "bn").mkdir(parents=True)
        overrides = ["+exp=bn_vs_plain", f"data.source={source}", *words]
        declared = {"name": "bn_vs_plain", "arms": ["bn"], "overrides": overrides}
        (study / "study.json").write_text(json.dumps(declared))
        config = compose("+exp=bn_vs_plain", f"data.source={source}", *words, "net.norm=batch", "arm=bn")
        (study / "bn/config.yaml").write_text(yaml.safe_dump(OmegaConf.to_container(config, resolve=True)))
        results: dict[str, Any] = {"seeds": list(range(seeds)), "epoch/last": [last] * seeds}
        results["epoch/diverged"] = [2 if seed in diverged else None for seed in range(seeds)]
        results |= {name: [1.0] * seeds for name in ("time/epoch_s", "time/fit_s", "memory/peak_mb")}
        (study / "bn/results.json").write_text(json.dumps(results))
        return study

    return write


def check(folder: Path, *words: str) -> None:
    """Check the backbones of +exp=transfer with these words, typed in `folder`."""
    overrides = ["+exp=transfer", f"paths.outputs={folder}/outputs", *words]
    config = compose_with("train", overrides, [], with_hydra=True)
    check_backbones(config, [compose(*overrides)])


def test_a_backbone_as_declared_is_taken(made: Any, tmp_path: Path) -> None:
    made(seeds=10)
    check(tmp_path, "data.source=digits")


@pytest.mark.parametrize(
    ("words", "last", "is_short"),
    [
        (["trainer.max_epochs=1"], 1, True),
        (["trainer.max_epochs=50"], 20, False),  # early stopping ended all seeds before
        (["net.hidden=[8]"], 20, True),
        (["seeds=7", "jobs=2", "trainer.accelerator=cpu"], 20, False),
    ],
)
def test_a_short_try_is_refused_with_the_command_of_a_right_one(
    made: Any, tmp_path: Path, words: list[str], last: int, is_short: bool
) -> None:
    made(*words, last=last)
    if not is_short:
        check(tmp_path, "data.source=digits")
        return
    with pytest.raises(UserError) as error:
        check(tmp_path, "data.source=digits")
    told = str(error.value)
    assert f"it is not of +exp=bn_vs_plain as declared: it was trained with {words[0]};" in told
    assert "type python -m dnnx.train +exp=bn_vs_plain" in told
    assert "data.source=digits" in told
    assert "\n" not in told
    backbone = told.rpartition("type ")[2]
    assert backbone.startswith("backbone=")
    check(tmp_path, "data.source=digits", f"backbone={tmp_path}/outputs/bn_vs_plain/latest/bn")  # as it says


def test_a_try_of_both_with_the_same_words_is_taken(made: Any, tmp_path: Path) -> None:
    made("trainer.max_epochs=1", last=1)
    check(tmp_path, "data.source=digits", "trainer.max_epochs=1")


def test_a_backbone_of_other_data_is_refused(made: Any, tmp_path: Path) -> None:
    made()
    with pytest.raises(UserError, match=r"it was trained with data\.source=digits"):
        check(tmp_path, "data.source=mnist")


def test_the_study_of_a_missing_backbone_reads_the_same_folders_whatever_their_names(tmp_path: Path) -> None:
    folders = [f"paths.{key}='{tmp_path}/{key} (1), donn\u00e9es'" for key in ("outputs", "data")]
    config = compose("+exp=transfer", "data.source=digits", *folders)
    words = backbone_study(config)
    assert words is not None
    needed = compose(*words)
    assert needed.paths == config.paths
    assert needed.data.source == "digits"
    assert "jobs=1" in (backbone_study(compose("+exp=transfer", "data.source=digits", *folders, "jobs=1")) or [])


def test_too_few_seeds_are_refused_with_two_ways_out(made: Any, tmp_path: Path) -> None:
    made(seeds=2)
    with pytest.raises(UserError) as error:
        check(tmp_path, "data.source=digits")
    told = str(error.value)
    assert "it has 2 seeds and this study 5; type seeds=2, or make more: python -m dnnx.train resume=" in told
    assert told.endswith("/bn_vs_plain/latest seeds=5")
    check(tmp_path, "data.source=digits", "seeds=2")


def test_a_diverged_seed_that_an_arm_would_start_from_is_refused(made: Any, tmp_path: Path) -> None:
    made(diverged=(1,))
    with pytest.raises(UserError, match="seed 1 of it diverged"):
        check(tmp_path, "data.source=digits")
    check(tmp_path, "data.source=digits", "seeds=1")


def test_the_command_ends_before_its_first_arm(made: Any, tmp_path: Path) -> None:
    made("net.hidden=[8]")
    code, said = typed("train", *TRANSFER, cwd=tmp_path)
    assert code == 2
    assert said.startswith("error: backbone=outputs/bn_vs_plain/latest/bn: it is not of +exp=bn_vs_plain as declared")
    assert said.count("\n") == 1
    assert not (tmp_path / "outputs/transfer").exists()


def with_hydra(folder: Path, *words: str) -> Any:
    return compose_with("train", ["+exp=transfer", f"paths.outputs={folder}/outputs", *words], [], with_hydra=True)


def test_a_needed_study_gets_the_seeds_of_a_look(made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, ran = made(seeds=10), list[Any]()
    config = with_hydra(tmp_path, "data.source=digits", "jobs=1")
    extend_backbone(config, range(10), ran.append)
    assert ran == [], "it has them"

    def run(needed: Any) -> None:
        ran.append(needed)
        shutil.rmtree(study)
        made(seeds=12)

    extend_backbone(config, range(12), run)
    (needed,) = ran
    assert (needed.name, parse_seeds(needed.seeds), needed.jobs) == ("bn_vs_plain", list(range(12)), 1)
    assert Path(needed.hydra.sweep.dir) == study.resolve()
    assert "+exp=bn_vs_plain first gets 2 seeds, 10 to 11, from which this study starts" in capsys.readouterr().out


def test_a_needed_study_that_takes_no_more_seeds_is_one_line(made: Any, tmp_path: Path) -> None:
    made(seeds=10)
    with pytest.raises(
        UserError, match=r"^backbone=.*: .exp=bn_vs_plain has its answers and takes no more seeds; type"
    ):
        extend_backbone(with_hydra(tmp_path, "data.source=digits"), range(12), lambda needed: None)


def test_a_backbone_that_was_typed_gets_no_seeds_and_must_have_all(made: Any, tmp_path: Path) -> None:
    study, ran = made(seeds=10), list[Any]()
    typed = shutil.copytree(study / "bn", tmp_path / "mine")
    mine, needed = (with_hydra(tmp_path, *words) for words in ([f"backbone={typed}"], []))
    extend_backbone(mine, range(12), ran.append)
    assert ran == []
    plan = Plan(tmp_path, [], {"verdicts": [], "looks": {"planned": [5, 12], "taken": []}})
    check_before(plan, [needed])
    with pytest.raises(
        UserError, match="seed 10 starts from its network of that seed, and it has none; train it first"
    ):
        check_before(plan, [mine])
