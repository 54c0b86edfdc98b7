"""Evaluating a finished run again gives its own numbers, and says so when it does not."""

import json
import shutil
from pathlib import Path

import pytest
from commands import SMOKE, compose

from dnnx.errors import UserError
from dnnx.evaluate import evaluate
from dnnx.train import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "run"
    train(compose(*SMOKE), folder)
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def again(folder: Path) -> dict[str, list]:
    return evaluate(compose(f"run={folder}", name="evaluate"))


def test_the_saved_best_weights_give_the_same_numbers_again(finished: Path) -> None:
    saved = json.loads((finished / "results.json").read_text())
    measured = again(finished)
    assert {name: saved[name] for name in measured} == measured


def test_numbers_that_changed_are_named(copy: Path) -> None:
    saved = json.loads((copy / "results.json").read_text())
    saved["test/accuracy"][0] += 0.01
    (copy / "results.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"not the numbers of its results.json: test/accuracy$"):
        again(copy)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda run: shutil.rmtree(run), "there is no such folder"),
        (lambda run: (run / "config.yaml").unlink(), "holds no config.yaml"),
        (lambda run: (run / "config.yaml").write_text("a: [\n"), "config.yaml: not readable YAML"),
        (lambda run: (run / "results.json").unlink(), "did not finish; go on with: python -m dnnx.train resume="),
        (lambda run: (run / "model.safetensors").write_bytes(b"\x80\x04pickle"), "not readable as safetensors"),
        (lambda run: (run / "model.safetensors").unlink(), "not readable as safetensors"),
        (lambda run: (run / "results.json").write_text("{"), "results.json: not readable JSON"),
    ],
)
def test_a_run_that_cannot_be_evaluated_says_why_in_one_line(copy: Path, break_it, says: str) -> None:
    break_it(copy)
    with pytest.raises(UserError, match=says) as error:
        again(copy)
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(copy: Path) -> None:
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("- 100\n", "- 99\n"))
    with pytest.raises(UserError, match=r"another network: .*hidden_layers.0.linear.weight \(2, 100, 64\) instead of"):
        again(copy)


def test_other_data_than_the_run_had_is_refused(copy: Path) -> None:
    facts = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps(facts | {"source": "mnist"}))
    with pytest.raises(UserError, match="not the data of the run"):
        again(copy)
