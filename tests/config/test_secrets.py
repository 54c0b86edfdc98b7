"""No file of a run holds a typed secret, and runs and studies go on when it is typed again."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from commands import compose, typed
from omegaconf import OmegaConf
from tuning_sweeps import OWN

from dnnx.basics.typed import without_secrets
from dnnx.config.resume import save_config
from dnnx.config.secrets import secret_values
from dnnx.training import plain_state
from dnnx.training.callbacks import hparams
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


# --- outside loggers

DATA = """
import torch
from torch.utils.data import DataLoader, TensorDataset
import lightning.pytorch as pl

SEEN = []


class Guarded(pl.LightningDataModule):
    def __init__(self, api_key="", uri="", place="", fail=""):
        super().__init__()
        self.api_key, self.uri = api_key, uri
        SEEN.append((api_key, uri, place))
        if fail:
            raise ValueError(f"401: {api_key} was refused by {uri}")
        y = torch.arange(60) % 3
        x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)) + y[:, None]
        self.parts = [TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 40), (40, 50), (50, 60))]

    def train_dataloader(self):
        if self.uri == "later":
            raise AssertionError(f"refused {self.api_key}")
        return DataLoader(self.parts[0], 8)

    def val_dataloader(self):
        return DataLoader(self.parts[1], 8)

    def test_dataloader(self):
        return DataLoader(self.parts[2], 8)
"""
OWN_DATA = ["data._target_=guarded_data.Guarded", *TINY[1:], "trainer.max_epochs=1"]


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "guarded_data.py").write_text(DATA)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def seen_data() -> tuple[str, str, str]:
    import guarded_data  # type: ignore[import-not-found]

    return guarded_data.SEEN[-1]


def test_a_secret_of_the_data_is_kept_nowhere_and_typed_again(guarded: Path) -> None:
    words = [*OWN_DATA, "data.api_key=hush44", "data.uri=http://ann:hush44@h/x"]
    assert typed("train", *words, cwd=guarded) == (0, "")
    assert seen_data()[:2] == ("hush44", "http://ann:hush44@h/x")
    assert holding(guarded, "hush44") == []
    config = yaml.safe_load((guarded / "outputs/train/latest/config.yaml").read_text())
    assert (config["data"]["api_key"], config["data"]["uri"]) == ("***", "http://ann:***@h/x")

    again = ["resume=outputs/train/latest", "trainer.max_epochs=2", "packages=[guarded_data]"]
    code, said = typed("train", *again, cwd=guarded)
    assert (code, said.count("\n")) == (2, 1)
    assert "it is a secret, which the run folder does not keep; type it too: '++data." in said
    again += ["++data.api_key=hush44", "++data.uri=http://ann:hush44@h/x"]
    assert typed("train", *again, cwd=guarded) == (0, "")
    assert seen_data()[:2] == ("hush44", "http://ann:hush44@h/x")
    assert holding(guarded, "hush44") == []
    code, said = typed("evaluate", "run=outputs/train/latest", "packages=[guarded_data]", cwd=guarded)
    assert (code, said.count("\n")) == (2, 1)
    assert "data.api_key=***: it is a secret, which the run folder does not keep" in said


def test_a_variable_is_kept_by_its_value_only_if_its_name_tells_no_secret(
    guarded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("OWN_KEY", "hush45"), ("DB_PASSWORD", "hush46"), ("PLACE", "/a/place")):
        monkeypatch.setenv(name, value)
    words = ["data.api_key=${oc.env:OWN_KEY}", "data.uri=x-${oc.env:DB_PASSWORD}", "data.place=${oc.env:PLACE}"]
    assert typed("train", *OWN_DATA, *words, cwd=guarded) == (0, "")
    assert seen_data() == ("hush45", "x-hush46", "/a/place")
    assert holding(guarded, "hush4") == []
    config = yaml.safe_load((guarded / "outputs/train/latest/config.yaml").read_text())["data"]
    assert [config[key] for key in ("api_key", "uri", "place")] == ["***", "***", "/a/place"]


def test_no_message_quotes_a_secret(guarded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_KEY", "hush47")
    words = ["data.api_key=${oc.env:OWN_KEY}", "data.uri=http://ann:hush48@h/x", "data.fail=yes"]
    code, said = typed("train", *OWN_DATA, *words, cwd=guarded)
    assert (code, "hush" in said) == (2, False)
    assert "401: *** was refused by ***" in said
    for word in ("storage=postgresql://ann:hush49[@h/x", "+logger.x.api_key=hush50]", "hidden.api_key=hush51"):
        code, said = typed("tune", "+exp=dense5", word, cwd=guarded)
        assert (code, said.count("\n"), "hush" in said) == (2, 1, False), said


@pytest.mark.slow
def test_the_traceback_of_a_bug_quotes_no_secret(guarded: Path) -> None:
    words = [*OWN_DATA, "data.api_key=hush52", "data.uri=later"]
    done = subprocess.run([sys.executable, "-m", "dnnx.train", *words], cwd=guarded, capture_output=True, text=True)
    assert ("AssertionError" in done.stderr, "hush52" in done.stderr) == (True, False), done.stderr
    assert "refused ***" in done.stderr


def test_tensorboard_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hush53")
    shown = hparams.settings(compose("+data.api_key=hush53", "+data.place=${oc.env:DB_PASSWORD}"))
    assert (shown["data.api_key"], shown["data.place"]) == ("***", "***")
    assert shown["data.batch_size"] == 32


def test_the_book_of_a_tuning_holds_no_variable_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_KEY", "hush54")
    kept = shared_settings(compose("+logger.own.uri=${oc.env:OWN_KEY}", "+data.place=${oc.env:OWN_KEY}"))
    assert (kept["logger.own.uri"], kept["data.place"]) == ("***", "***")


@pytest.mark.slow
def test_a_tuning_keeps_no_secret_in_its_folder(folder: Path) -> None:
    words = ["+exp=dense5", "+sweep=tiny", f"hydra.searchpath=[file://{OWN}]", "n_trials=1", "~callbacks.progress"]
    words += ["jobs=1", *WORDS]
    assert typed("tune", *words, cwd=folder) == (0, "")
    assert list((folder / "outputs").rglob("journal.log"))
    assert holding(folder, "hush") == []


def test_a_checkpoint_of_a_users_module_holds_no_secret() -> None:
    saved = {"epoch": 1, "hyper_parameters": {"api_key": "hush56", "width": 3}, "hparams_name": "x"}
    strategy = SimpleNamespace(checkpoint_io=None)
    save = lambda path: strategy.checkpoint_io.save_checkpoint(saved, path)  # noqa: E731
    found = plain_state.dump(SimpleNamespace(strategy=strategy, save_checkpoint=save))
    assert found == {"epoch": 1, "hyper_parameters": {"api_key": "***", "width": 3}}


def test_the_overrides_of_trials_are_kept_without_secrets() -> None:
    kept = without_secrets({"trial": ["trainer.max_epochs=1", "+logger.own.api_key=hush59"]})
    assert kept == {"trial": ["trainer.max_epochs=1", "+logger.own.api_key=***"]}


def test_a_secret_cannot_be_swept(guarded: Path) -> None:
    code, said = typed("train", "-m", *OWN_DATA, "data.api_key=hush57,hush58", cwd=guarded)
    assert (code, "hush" in said) == (2, False)
    assert "data.api_key=***: a secret takes one value: swept values name the folders of runs" in said


def test_a_config_without_secrets_is_written_as_it_is(tmp_path: Path) -> None:
    cfg = compose("+exp=dense5", "net.hidden=[7,8]")
    save_config(cfg, tmp_path / "config.yaml")
    assert (tmp_path / "config.yaml").read_text() == OmegaConf.to_yaml(cfg, resolve=True)
    assert secret_values(cfg) == []
