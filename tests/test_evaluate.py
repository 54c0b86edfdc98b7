"""Evaluating a finished run again gives its own numbers, and says so when it does not."""

import json
import shutil
from pathlib import Path

import pytest
from commands import SMOKE, compose, measured

from dnnx.basics.errors import UserError
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


def again(folder: Path, *overrides: str) -> dict[str, list]:
    return evaluate(compose(f"run={folder}", *overrides, name="evaluate"))


def test_the_saved_best_weights_give_the_same_numbers_again(finished: Path) -> None:
    saved = json.loads((finished / "results.json").read_text())
    metrics = again(finished)
    assert {name: saved[name] for name in metrics} == metrics


def test_numbers_that_changed_are_named(copy: Path) -> None:
    saved = json.loads((copy / "results.json").read_text())
    saved["test/accuracy"][0] += 0.01
    (copy / "results.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"these numbers differ from its results.json: test/accuracy$"):
        again(copy)


@pytest.mark.parametrize(("moved", "same"), [(1, True), (9, False)])
def test_on_another_device_than_the_run_s_a_few_images_may_change_their_class(
    copy: Path, moved: int, same: bool, capsys: pytest.CaptureFixture
) -> None:
    saved = json.loads((copy / "results.json").read_text())
    saved["test/confusion"][0][0][0] -= moved
    saved["test/confusion"][0][0][1] += moved
    saved["test/loss"][1] += 1e-4 * moved
    (copy / "results.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"differ from its results.json: .*test/confusion"):
        again(copy, "accelerator=cpu")
    facts = json.loads((copy / "environment.json").read_text())
    (copy / "environment.json").write_text(json.dumps(facts | {"gpu": "one"}))
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("accelerator: cpu", "accelerator: auto"))
    if same:
        again(copy, "accelerator=cpu")
        assert "up to the rounding of another device" in capsys.readouterr().out
    else:
        with pytest.raises(UserError, match=r"differ from its results.json: .*test/confusion"):
            again(copy, "accelerator=cpu")


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


def test_an_unknown_accelerator_is_refused_with_the_known_ones(finished: Path) -> None:
    with pytest.raises(UserError, match=r"^accelerator=tpu: choose one of auto, cpu, cuda, gpu"):
        again(finished, "accelerator=tpu")


def test_weights_of_another_network_are_refused(copy: Path) -> None:
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("- 100\n", "- 99\n"))
    with pytest.raises(UserError, match=r"another network: .*hidden_layers.0.linear.weight \(2, 100, 64\) instead of"):
        again(copy)


def test_other_data_than_the_run_had_is_refused(copy: Path) -> None:
    facts = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps(facts | {"source": "mnist"}))
    with pytest.raises(UserError, match=r"not the data of the run .*; give data_root="):
        again(copy)


def test_data_in_one_file_is_restored_as_it_lies_in_no_folder(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(90)))
    table = ["data=table", f"data.file={tmp_path}/t.csv", "data.target=y", "data.batch_size=8"]
    words = [*table, "net.hidden=[4]", "seeds=1", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
    train(compose(*words), tmp_path / "run")
    with pytest.raises(UserError, match=r"^data_root=x: data._target_=dnnx.data.table.Table lies in no folder"):
        again(tmp_path / "run", "data_root=x")
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("89,b", "88,b"))
    with pytest.raises(UserError, match=r"not the data of the run .*; restore the data as it was: t.csv$"):
        again(tmp_path / "run")


# --- MC dropout


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "run"
    train(compose(*SMOKE, "net.dropout=0.3", "mc_dropout=10"), folder)
    return folder


def test_mc_dropout_is_the_same_in_training_and_after_it(dropped: Path, capsys: pytest.CaptureFixture) -> None:
    saved = json.loads((dropped / "results.json").read_text())
    again(dropped, "mc_dropout=10")
    written = json.loads((dropped / "mc_dropout.json").read_text())
    assert written["passes"] == 10
    scores = {name: values for name, values in measured(written).items() if "/" in name}
    assert len(scores) == 5 + 6 + 6
    assert scores == {name: saved[name] for name in scores}
    assert scores["mc/nll"] != scores["test/nll"]
    assert scores["test/nll"] == pytest.approx(saved["test/loss"])
    shown = capsys.readouterr().out
    assert all(sentence in shown for sentence in written["verdicts"])
    assert "Does MC dropout make it more accurate?" in written["verdicts"][0]
    assert (dropped / "mc_dropout.png").stat().st_size > 10_000
    assert "currentColor" in (dropped / "mc_dropout.svg").read_text()


def test_the_number_of_passes_matters_and_zero_passes_write_nothing(dropped: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(dropped, tmp_path / "run"))
    (copy / "mc_dropout.json").unlink(missing_ok=True)
    again(copy)
    assert not (copy / "mc_dropout.json").exists()
    again(copy, "mc_dropout=11")
    saved, written = (json.loads((copy / name).read_text()) for name in ("results.json", "mc_dropout.json"))
    assert saved["mc/nll"] != written["mc/nll"]
    assert saved["test/nll"] == written["test/nll"]


def test_mc_dropout_needs_dropout(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^mc_dropout=5: the network has no dropout"):
        again(finished, "mc_dropout=5")
    assert not (finished / "mc_dropout.json").exists()
    with pytest.raises(UserError, match=r"^mc_dropout=5: the network has no dropout"):
        train(compose(*SMOKE, "mc_dropout=5"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_without_mc_dropout_has_no_mc_results(finished: Path) -> None:
    saved = json.loads((finished / "results.json").read_text())
    assert not [name for name in saved if name.startswith("mc/") or name.endswith("/nll")]
