"""No file of a run holds a typed secret, and runs and studies go on when it is typed again."""

from pathlib import Path

import pytest
import yaml
from commands import compose, typed

from dnnx.tuning.opening import shared_settings

LOGGER = """
from lightning.pytorch.loggers import CSVLogger

SEEN = []


class Keyed(CSVLogger):
    def __init__(self, save_dir=".", name="", version=None, api_key="", uri=""):
        super().__init__(save_dir)
        SEEN.append((api_key, uri))
"""
TINY = ["data.source=digits", "net.hidden=[3]", "seeds=2", "trainer.accelerator=cpu", "~callbacks.progress", "jobs=1"]
WORDS = [
    "+logger.own._target_=keyed_logger.Keyed",
    "+logger.own.api_key=hush42",
    "+logger.own.uri=http://ann:hush42@h/x",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "keyed_logger.py").write_text(LOGGER)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def seen() -> list[tuple[str, str]]:
    import keyed_logger  # type: ignore[import-not-found]

    return keyed_logger.SEEN


def holding(folder: Path, secret: str) -> list[Path]:
    """Return the files of run folders that hold a text."""
    return [path for path in (folder / "outputs").rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_run_keeps_no_secret_and_goes_on_with_it(folder: Path) -> None:
    assert typed("train", *TINY, *WORDS, "trainer.max_epochs=1", cwd=folder) == (0, "")
    assert seen()[-1] == ("hush42", "http://ann:hush42@h/x")
    assert holding(folder, "hush42") == []
    run = folder / "outputs/train/latest"
    own = yaml.safe_load((run / "config.yaml").read_text())["logger"]["own"]
    assert (own["api_key"], own["uri"]) == ("***", "http://ann:***@h/x")

    again = ["resume=outputs/train/latest", "trainer.max_epochs=2", "packages=[keyed_logger]"]
    code, said = typed("train", *again, cwd=folder)
    assert (code, said.count("\n")) == (2, 1)
    assert "it is a secret, which the run folder does not keep; type it too: '+logger.own." in said
    assert typed("train", *again, *WORDS[1:], cwd=folder) == (0, "")
    assert seen()[-1] == ("hush42", "http://ann:hush42@h/x")
    assert holding(folder, "hush42") == []


def test_a_variable_of_the_environment_is_named_and_not_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_KEY", "hush43")
    words = [WORDS[0], "+logger.own.api_key=${oc.env:OWN_KEY}", "+logger.own.uri=${oc.env:OWN_KEY}"]
    assert typed("train", *TINY, *words, "trainer.max_epochs=1", cwd=folder) == (0, "")
    assert seen()[-1] == ("hush43", "hush43")
    assert holding(folder, "hush43") == []


@pytest.mark.slow
def test_a_study_keeps_no_secret_and_takes_it_again(folder: Path) -> None:
    (folder / "mine/exp").mkdir(parents=True)
    (folder / "mine/exp/two.yaml").write_text(
        "# @package _global_\nname: two\nstudy:\n  arms: {a: [], b: ['net.dropout=0.2']}\n"
    )
    study = ["--config-dir", "mine", "+exp=two", *TINY, "trainer.max_epochs=1"]
    assert typed("train", *study, *WORDS, cwd=folder) == (0, "")
    assert seen()[-1][0] == "hush42"
    assert holding(folder, "hush42") == []
    (folder / "outputs/two/latest/b/results.json").unlink()
    again = ["resume=outputs/two/latest", "packages=[keyed_logger]", "jobs=1"]
    code, said = typed("train", *again, cwd=folder)
    assert (code, said.count("\n")) == (2, 1)
    assert "it is a secret, which study.json does not keep; type it too: '+logger.own." in said
    assert typed("train", *again, *WORDS[1:], cwd=folder) == (0, "")
    assert (folder / "outputs/two/latest/b/results.json").exists()
    assert holding(folder, "hush42") == []


def test_the_book_of_a_tuning_holds_no_secret() -> None:
    kept = shared_settings(compose(*WORDS))
    assert (kept["logger.own.api_key"], kept["logger.own.uri"]) == ("***", "http://ann:***@h/x")
