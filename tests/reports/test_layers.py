"""One number per seed from the layer statistics: by hand, and as a verdict."""

from pathlib import Path

import pytest
from made_up_runs import write_run, write_study

from dnnx.reports.layers import dead, equal, gradient_start, mean_activation
from dnnx.reports.report import build
from dnnx.runs.read import read_run


def add_layers(run: Path, norm: float) -> None:
    """Two layers, seeds 0 to 4; at its best epoch seed s has 10 s and 20 s % dead units, at all others none."""
    best = read_run(run, "run").values("epoch/best")
    rows = []
    for seed in range(5):
        rows += [f"0,hidden_layers.{i},gradient_norm,{seed},{norm * 10**i}\n" for i in range(2)]
        for epoch in range(1, 13):
            shares = [0.1 * seed * (epoch == best[seed]), 0.2 * seed * (epoch == best[seed])]
            rows += [f"{epoch},hidden_layers.{i},dead_units,{seed},{share}\n" for i, share in enumerate(shares)]
            rows += [f"{epoch},hidden_layers.{i},equal_units,{seed},{i}\n" for i in range(2)]
            rows += [f"{epoch},hidden_layers.{i},activation_mean,{seed},{(-1) ** i * seed}\n" for i in range(2)]
    with (run / "metrics.csv").open("a") as file:
        file.writelines(rows)


def test_shares_are_means_over_layers_at_the_best_epoch_and_the_gradient_is_that_of_the_lowest(tmp_path: Path) -> None:
    add_layers(write_run(tmp_path / "run"), 1e-3)
    run = read_run(tmp_path / "run", "run")
    assert dead(run).tolist() == pytest.approx([0, 0.15, 0.3, 0.45, 0.6])
    assert equal(run).tolist() == [0.5] * 5
    assert gradient_start(run).tolist() == pytest.approx([-3] * 5)
    assert mean_activation(run).tolist() == [0, 1, 2, 3, 4]  # of opposite signs in the two layers


def test_a_run_without_layer_statistics_has_no_such_numbers(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run"), "run")
    assert all(of(run).isna().all() for of in (dead, equal, gradient_start, mean_activation))


def test_a_verdict_can_ask_for_layer_statistics_and_the_report_shows_them(tmp_path: Path) -> None:
    ask = {"ask": "Fewer?", "metric": "dead/share", "arm": "b", "than": "a", "expect": "lower"}
    study = write_study(tmp_path / "study", {"a": {}, "b": {"noise": 1}}, verdicts=[ask])
    for arm, norm in (("a", 1.0), ("b", 1e-6)):
        add_layers(study / arm, norm)
    made = build([study], study)
    assert "share of dead hidden units 30.00 % (b) against 30.00 % (a)" in made.sentences[0]
    text = made.md.read_text()
    assert "## Hidden layers" in text
    assert "-6 in all 5 seeds" in text
    assert (study / "figures" / "depth.svg").exists()
