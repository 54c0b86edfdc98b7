"""A run goes on with at least the epochs that it has, and a study that is named in place of a run lists its arms."""

from pathlib import Path

import pytest
from commands import SMOKE, compose, typed
from omegaconf import OmegaConf

from dnnx.basics.errors import UserError
from dnnx.config import resume
from dnnx.config.continued import trained_epochs
from dnnx.runs.tables import HEADER


def rows(*epochs: int) -> str:
    return HEADER + "".join(f"{epoch},val,loss,0,0.5\n" for epoch in epochs)


def test_the_last_epoch_is_that_of_the_run_or_of_a_shard(tmp_path: Path) -> None:
    config = OmegaConf.create({"trainer": {"max_epochs": 500}})
    assert trained_epochs(config, tmp_path) == 0
    (tmp_path / "metrics.csv").write_text(rows(*range(1, 500)) + "500,val,lo")
    assert trained_epochs(config, tmp_path) == 499, "a row that was cut is none"
    (tmp_path / "shards/0-4").mkdir(parents=True)
    (tmp_path / "shards/0-4/metrics.csv").write_text(rows(700))
    assert trained_epochs(config, tmp_path) == 700
    for file, text in (("results.json", "{}"), ("config.yaml", "trainer: {max_epochs: 500}")):
        (tmp_path / "shards/0-4" / file).write_text(text)
    assert trained_epochs(config, tmp_path) == 499, "a finished shard of this length trains no further"


def test_fewer_epochs_than_a_run_has_are_refused_and_change_no_file(tmp_path: Path) -> None:
    assert typed("train", *SMOKE, "net.hidden=[8]", cwd=tmp_path) == (0, "")
    run = (tmp_path / "outputs/dense5/latest").resolve()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, said = typed("train", "resume=outputs/dense5/latest", "trainer.max_epochs=2", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said == "error: trainer.max_epochs=2: it has trained 3 epochs; type 3 or more, or leave it out\n"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert typed("train", "resume=outputs/dense5/latest", "trainer.max_epochs=3", cwd=tmp_path) == (0, "")


@pytest.mark.parametrize("key", ["run", "backbone"])
def test_a_study_in_place_of_a_run_lists_its_arms(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arm in ("plain", "bn"):
        (tmp_path / "s" / arm).mkdir(parents=True)
        (tmp_path / "s" / arm / "config.yaml").touch()
    (tmp_path / "s/study.json").write_text("{}")
    with pytest.raises(UserError) as error:
        resume.load_config(Path("s"), key, compose(*SMOKE))
    assert str(error.value) == f"{key}=s: it is a study; give one of its arms: {key}=s/bn, {key}=s/plain"


@pytest.mark.parametrize("word", ["~callbacks.progress", "callbacks.progress=null"])
def test_a_run_goes_on_without_a_callback_that_is_left_out(word: str, tmp_path: Path) -> None:
    assert typed("train", *SMOKE, "net.hidden=[8]", "trainer.max_epochs=1", cwd=tmp_path) == (0, "")
    more = ["resume=outputs/dense5/latest", "trainer.max_epochs=2"]
    assert typed("train", *more, word, cwd=tmp_path) == (0, "")
    saved = resume.load_config(tmp_path / "outputs/dense5/latest", "resume")
    assert saved.callbacks.get("progress") is None
    assert ("progress" in saved.callbacks) == (word[0] != "~")
    assert typed("train", *more, cwd=tmp_path) == (0, "")
