"""The calibration error is that of the training code, and its floor is the error of a calibrated network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_runs import write_run
from safetensors.numpy import save_file

from dnnx.evaluation import calibration as measured
from dnnx.reports.calibration import calibration
from dnnx.reports.report import build
from dnnx.runs.read import read_run
from dnnx.runs.run import Run


def run_with(p: np.ndarray, y: np.ndarray) -> Run:
    return Run("a", Path("a"), results={"seeds": list(range(len(p)))}, predictions={"probabilities": p, "labels": y})


def outputs(n: int, sharper: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities [3, n, 4] and labels that are drawn from them; above 1, `sharper` ones are too sure."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(4, 0.5), n)
    y = np.array([rng.choice(4, p=row) for row in p])
    told = p**sharper
    return np.repeat((told / told.sum(-1, keepdims=True))[None], 3, 0).astype(np.float32), y


def test_the_scores_are_those_of_the_evaluation() -> None:
    p, y = outputs(400)
    found, expected = calibration(run_with(p, y)), measured.scores(torch.tensor(p), torch.tensor(y))
    assert found is not None
    assert found.error == pytest.approx(expected["ece"].numpy(), abs=1e-5)
    assert found.brier == pytest.approx(expected["brier"].numpy(), abs=1e-5)
    assert found.nll == pytest.approx(expected["nll"].numpy(), abs=1e-5)


def test_a_calibrated_network_has_an_error_at_its_floor_and_an_overconfident_one_above_it() -> None:
    calibrated, sure = (calibration(run_with(*outputs(2000, sharper))) for sharper in (1.0, 3.0))
    assert calibrated is not None
    assert sure is not None
    assert (calibrated.floor > 0).all()
    assert (calibrated.error < 1.6 * calibrated.floor).all()
    assert (sure.error > 5 * sure.floor).all()


@pytest.mark.parametrize("shape", [(3, 40), (3, 40, 2, 4), (2, 40, 4)], ids=["values", "pixels", "other seeds"])
def test_predictions_of_another_kind_have_no_calibration(shape: tuple[int, ...]) -> None:
    run = run_with(np.full(shape, 0.25, np.float32), np.zeros(40, int))
    run.results["seeds"] = [0, 1, 2]
    assert calibration(run) is None


@pytest.mark.usefixtures("undrawn")
def test_the_report_shows_the_floor_beside_the_error(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a")
    p, y = outputs(100)
    save_file({"probabilities": np.repeat(p[:1], 5, 0), "labels": y}, folder / "predictions.safetensors")
    made = build([folder], tmp_path / "out").md.read_text().replace("\u00a0", " ")
    assert "| arm | calibration error | its floor | Brier score | NLL, nats |" in made
    found = calibration(read_run(folder, "a"))
    assert found is not None
    assert f"| {found.error[0]:#.3g} in all 5 seeds |" in made
