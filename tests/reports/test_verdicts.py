"""Verdicts on made-up runs: no difference is found where none exists, and a planted one is found."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_runs import write_study

from dnnx.basics.errors import UserError
from dnnx.reports.format import show_estimate
from dnnx.reports.measures import reach, reference_targets, shared_targets, values
from dnnx.reports.questions import counted
from dnnx.reports.saying import phrase
from dnnx.reports.scales import scale_of
from dnnx.reports.statistics import estimate
from dnnx.reports.verdicts import Verdict, decide, unmeasured
from dnnx.runs.about import About
from dnnx.runs.read import read_study
from dnnx.runs.run import Run, Study

FASTER = {"ask": "Faster?", "metric": "convergence/epochs", "arm": "b", "than": "a", "expect": "lower"}


def spec(metric: str = "test/accuracy", expect: str = "higher", arm: str = "b") -> dict[str, str]:
    return {"ask": "Really?", "metric": metric, "arm": arm, "than": "a", "expect": expect}


def made(name: str, losses: dict[int, list[float]], diverged: tuple[int, ...] = (), **results: list) -> Run:
    """A run in memory from its validation losses by seed; an epoch takes 2 s."""
    rows = [(e, "val", "loss", s, x) for s, curve in losses.items() for e, x in enumerate(curve, 1)]
    rows += [(e, "time", "elapsed_s", s, 2.0 * e) for e, _, _, s, _ in rows]
    metrics = pd.DataFrame(rows, columns=["epoch", "split", "metric", "seed", "value"])
    gone: list = [2 if seed in diverged else None for seed in losses]
    named = {key.replace("__", "/"): numbers for key, numbers in results.items()}
    return Run(name, Path(name), metrics=metrics, results={"seeds": list(losses), "epoch/diverged": gone} | named)


def answer(runs: list[Run], *specs: Any) -> list[Verdict]:
    return decide(Study("s", "", "a", runs, list(specs), []))[0]


def test_a_claim_that_was_made_after_results_says_so() -> None:
    runs = [made(name, {s: [0.1] for s in range(3)}, test__accuracy=[0.9, 0.91, 0.92]) for name in "ab"]
    first, later = answer(runs, spec(), spec() | {"later": True})
    assert (
        later.sentence
        == f"{first.sentence} Claimed after results had been seen, so test it in a new study of other seeds."
    )


def noisy(name: str, rng: np.random.Generator, seeds: range, shift: float = 0.0) -> Run:
    t = np.arange(1, 16)
    losses = {
        s: list(np.exp(-rng.normal(0.4, 0.05) * t) + rng.normal(0.05, 0.004) + rng.normal(0, 0.004, 15)) for s in seeds
    }
    return made(name, losses, test__accuracy=list(rng.normal(0.97 + shift, 0.005, len(seeds))))


@pytest.mark.parametrize("seeds", [range(8), range(20, 28)], ids=["paired", "unpaired"])
def test_a_null_study_is_undecided_in_95_of_100_cases(seeds):
    rng = np.random.default_rng(5)
    wrong = {"test/accuracy": 0, "convergence/epochs": 0, "either": 0}
    for _ in range(150):
        verdicts = answer([noisy("a", rng, range(8)), noisy("b", rng, seeds)], spec(), spec("convergence/epochs"))
        wrong["either"] += any(v.answer != "undecided" for v in verdicts)
        for v in verdicts:
            wrong[v.metric] += v.comparison.p < 0.05
    assert max(wrong.values()) <= 14, wrong  # 7.5 expected at most; more than 14 has probability 0.01


def test_a_null_study_in_folders_is_undecided(tmp_path):
    accuracy = np.random.default_rng(2).normal(0.97, 0.005, 20)
    arms = {
        "a": {"seeds": range(10), "accuracy": accuracy[:10]},
        "b": {"seeds": range(10, 20), "accuracy": accuracy[10:]},
    }
    (verdict,) = decide(read_study([write_study(tmp_path / "s", arms)]))[0]
    assert verdict.answer == "undecided"
    assert "unpaired" in verdict.sentence


def test_a_planted_point_over_10_seeds_is_found_in_the_direction_it_has(tmp_path):
    rng = np.random.default_rng(3)
    data = {"sizes": {"test": 5000}}
    arms = {"a": {"seeds": range(10), "accuracy": rng.normal(0.97, 0.005, 10), "data": data}}
    arms["b"] = {"seeds": range(10), "accuracy": rng.normal(0.98, 0.005, 10), "data": data}
    study = write_study(tmp_path / "s", arms, verdicts=[spec(), spec(expect="lower")])
    higher, lower = decide(read_study([study]))[0]
    assert (higher.answer, lower.answer) == ("yes", "no")
    assert higher.comparison.low < 0.01 < higher.comparison.high


def test_the_sentence_holds_the_numbers_of_a_recomputation_by_hand():
    a, b = [0.970, 0.972, 0.968], [0.981, 0.981, 0.978]
    (verdict,) = answer(
        [made("a", {1: [], 2: [], 3: []}, test__accuracy=a), made("b", {1: [], 2: [], 3: []}, test__accuracy=b)], spec()
    )
    # differences 1.1, 0.9, 1.0 points: mean 1.0, sd 0.1, t(2) = 4.303, half width 4.303 * 0.1 / sqrt(3) = 0.248
    assert verdict.sentence == (
        "Really? Yes: mean test accuracy 98.00 % (b) against 97.00 % (a), difference +1.00 points "
        "(95 % interval +0.75 to +1.25), paired t test, correlation over the seeds 0.87, n = 3 seeds, p = 0.00332."
    )


def test_more_questions_widen_the_interval_and_raise_p():
    rng = np.random.default_rng(1)
    runs = [made(x, {s: [] for s in range(9)}, test__accuracy=list(rng.normal(0.97, 0.01, 9))) for x in "abcd"]
    alone = answer(runs, spec())[0]
    among = answer(runs, spec(), spec(arm="c"), spec(arm="d"))[0]
    assert among.p > alone.p
    assert among.comparison.low < alone.comparison.low
    assert "3 verdicts" in among.sentence


def test_without_declared_questions_every_arm_is_compared_with_the_reference():
    runs = [made(x, {1: [], 2: []}, test__accuracy=[0.9, 0.8]) for x in "abc"]
    assert [(v.arm, v.than, v.metric) for v in answer(runs)] == [
        ("b", "a", "test/accuracy"),
        ("c", "a", "test/accuracy"),
    ]


def test_the_race_is_to_the_loss_that_both_reach():
    fast_but_worse = made("b", {1: [0.5, 0.3, 0.3], 2: [0.5, 0.3, 0.3]})
    slow_but_better = made("a", {1: [0.9, 0.5, 0.2], 2: [0.9, 0.2, 0.1]})
    b, a = values("convergence/epochs", fast_but_worse, slow_but_better)
    assert (list(b), list(a)) == ([2, 2], [3, 2])
    assert list(values("convergence/seconds", fast_but_worse, slow_but_better)[1]) == [6.0, 4.0]


def test_arms_with_few_seeds_in_common_race_to_one_loss():
    """Seed 4 is in both arms, which is too few to pair: no seed may race to its own best."""
    a = made("a", {s: [0.5, 0.1] for s in range(5)})
    b = made("b", {s: [0.5, 0.4] for s in range(4, 9)})
    ours, theirs = values("convergence/epochs", b, a)
    assert (set(ours), set(theirs)) == ({2}, {2})
    assert np.allclose(shared_targets(b, a), 1.1 * 0.4)


def test_seeds_that_never_reach_the_references_best_are_counted():
    a, b = made("a", {1: [0.5, 0.1], 2: [0.5, 0.3]}), made("b", {1: [0.4, 0.2], 2: [0.3, 0.4]})
    assert list(reach(b, reference_targets(b, a), "convergence/epochs")) == [np.inf, 1]
    assert "b reaches the best loss of a in 1 of 2 seeds" in answer([a, b], FASTER)[0].sentence


def test_a_diverged_seed_never_arrives_and_is_counted():
    a = made("a", {s: [0.5, 0.2] for s in range(6)})
    b = made("b", {s: [0.1, 0.2] for s in range(6)}, diverged=(0,))
    (verdict,) = answer([a, b], FASTER)
    assert (verdict.comparison.n, verdict.comparison.counts) == (6, (1, 5, 0))
    assert verdict.answer == "undecided"
    assert "1 of 6 seeds of b diverged" in verdict.sentence


def test_diverging_in_every_seed_loses():
    a = made("a", {s: [0.5] for s in range(6)}, test__accuracy=[0.9] * 6)
    b = made("b", {s: [0.5] for s in range(6)}, diverged=tuple(range(6)), test__accuracy=[None] * 6)
    assert answer([a, b], spec())[0].answer == "no"


def test_one_clock_per_run_decides_nothing():
    runs = [made(x, {s: [] for s in range(8)}, time__epoch_s=[t] * 8) for x, t in (("a", 1.0), ("b", 2.0))]
    (verdict,) = answer(runs, spec("time/epoch_s"))
    assert verdict.answer == "not tested"
    assert "n = 1" in verdict.sentence


def test_overfitting_is_the_gap_and_the_rise_of_the_loss():
    run = made("b", {1: [0.5, 0.2, 0.3], 2: [0.5, 0.4, 0.4]}, train__accuracy=[0.99, 0.98], test__accuracy=[0.97, 0.97])
    assert list(values("overfitting/rise", run, run)[0]) == pytest.approx([0.1, 0.0])
    assert list(values("overfitting/gap", run, run)[0]) == pytest.approx([0.02, 0.01])


def test_a_question_about_an_unmeasured_metric_is_not_undecided_and_its_name_is_an_error():
    runs = [made("a", {1: [0.1]}, test__accuracy=[0.9]), made("b", {1: [0.1]}, test__accuracy=[0.9])]
    (verdict,) = answer(runs, spec("test/acuracy"))
    assert verdict.sentence == "Really? Not measured: test acuracy was not measured in b."
    declared = [spec("test/acuracy"), spec("test/accuracy"), spec("convergence/epochs")]
    assert unmeasured(Study("s", "", "a", runs, declared, [])) == [
        "study.claims.test/acuracy: no run measured it; did you mean test/accuracy?"
    ]


def test_a_question_about_an_absent_arm_is_told_and_not_asked():
    asked, lost = decide(Study("s", "", "a", [made("a", {1: []})], [spec()], []))
    assert asked == []
    assert "needs the arms b and a" in lost[0]


def test_a_metric_that_is_no_number_per_seed_is_refused():
    runs = [made(x, {1: []}, test__class_accuracy=[[0.9, 0.8]]) for x in "ab"]
    with pytest.raises(UserError, match="test/class_accuracy"):
        answer(runs, spec("test/class_accuracy"))


def test_the_share_of_diverged_seeds_is_compared_and_shown_in_percent():
    losses = {seed: [0.5, 0.4] for seed in range(12)}
    a, b = made("a", losses, diverged=tuple(range(9))), made("b", losses)
    [verdict] = answer([a, b], spec("diverged/share", "lower"))
    assert verdict.answer == "yes"
    assert "share of seeds that diverged 0 % (b) against 75 % (a)" in verdict.sentence
    assert "left out" not in verdict.sentence


@pytest.mark.parametrize("score", ["accuracy_at_half", "auc"])
def test_scores_of_pairs_are_shares_and_a_diverged_seed_has_the_worst(score):
    a, b = (made(x, {1: [], 2: [], 3: []}, d, **{f"test__{score}": v}) for x, d, v in (
        ("a", (), [0.9, 0.9, 0.9]), ("b", (3,), [0.95, 0.95, None]),
    ))  # fmt: skip
    (verdict,) = answer([a, b], spec(f"test/{score}"))
    assert "95.00 % (b)" in verdict.sentence
    assert "higher in 2, lower in 1" in verdict.sentence


def test_a_mean_is_shown_with_interval_and_n():
    assert show_estimate(estimate([0.98, 0.99]), About("%")).replace("\u00a0", " ") == "98.5 % (92.1 to 104.9, n = 2)"
    share = show_estimate(estimate([0.98, 0.99], share=True), About("%")).replace("\u00a0", " ")
    assert share == "98.5 % (92.1 to 100.0, n = 2)"
    assert show_estimate(estimate([0.5])) == "0.500 (n = 1)"
    assert show_estimate(estimate([])) == "not measured"


def test_two_metrics_of_one_arm_are_compared_seed_by_seed():
    scores = {"mc__accuracy": [0.50, 0.53, 0.55], "test__accuracy": [0.49, 0.51, 0.52], "ensemble__accuracy": [0.6]}
    run = made("b", {1: [], 2: [], 3: []}, **scores)  # type: ignore[arg-type]
    asked = {"ask": "Better?", "metric": "mc/accuracy", "than_metric": "test/accuracy", "arm": "b", "than": "b"}
    (verdict,) = answer([run], asked | {"expect": "higher"})
    # differences 1, 2, 3 points: mean 2, sd 1, t(2) = 4.303, half width 2.484
    assert verdict.sentence == (
        "Better? Undecided: mean test accuracy by MC dropout 52.7 % (b) against test accuracy 50.7 % (b), difference "
        "+2.0 points (95 % interval -0.5 to +4.5), paired t test, correlation over the seeds 1.00, n = 3 seeds, "
        "p = 0.0742; a new study of about 5 seeds would decide, or about 5 seeds added to each of these two arms."
    )
    (verdict,) = answer([run], asked | {"metric": "ensemble/accuracy", "expect": "higher"})
    assert "n = 1, so chance cannot be told from effect" in verdict.sentence
    (verdict,) = answer([run], asked | {"than_metric": "test/f1", "expect": "higher"})
    assert verdict.sentence == "Better? Not measured: test f1 was not measured in b."


def test_two_metrics_of_one_arm_that_are_the_same_are_both_named():
    scores = [0.5 + 0.001 * seed for seed in range(8)]
    near = [score + 1e-4 * (-1) ** i for i, score in enumerate(scores)]
    run = made("b", {seed: [] for seed in range(8)}, mc__accuracy=scores, test__accuracy=near)
    asked = {"ask": "Better?", "metric": "mc/accuracy", "than_metric": "test/accuracy", "arm": "b", "than": "b"}
    (verdict,) = answer([run], asked | {"expect": "higher", "same": 0.5})
    assert phrase(verdict) == "test accuracy by MC dropout of b and test accuracy of b"


def test_equal_arms_are_the_same_within_the_margin_that_a_claim_declares() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0.97, 0.004, 12)
    a, b = (
        made(x, {s: [] for s in range(12)}, test__accuracy=list(base + rng.normal(0, 0.0006, 12))) for x in ("a", "b")
    )
    (declared,) = answer([a, b], spec() | {"same": 0.2})
    assert declared.answer == "same"
    assert declared.sentence.startswith("Really? The same within 0.2 points: mean test accuracy")
    (narrow,) = answer([a, b], spec() | {"same": 0.01})
    assert narrow.answer == "undecided"
    assert "seeds would decide" in narrow.sentence


def test_a_difference_below_the_margin_is_said_to_be_one() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0.97, 0.004, 10)
    runs = [made(x, {s: [] for s in range(10)}, test__accuracy=list(v)) for x, v in (
        ("a", a), ("b", a + 0.0005 + rng.normal(0, 0.0001, 10)),
    )]  # fmt: skip
    (verdict,) = answer(runs, spec())
    assert (verdict.answer, verdict.words) == ("yes", "yes, by less than 0.1 points")


def curves(scale: float, seeds: int = 6, seconds: float = 2.0, name: str = "a") -> Run:
    """A run whose validation loss falls like exp(-epoch / scale) to 0.05, with noise."""
    rng = np.random.default_rng(seeds)
    epochs = np.arange(1, 61)
    losses = {s: list(np.exp(-epochs / scale / rng.normal(1, 0.05)) + 0.05) for s in range(seeds)}
    run = made(name, losses)
    is_time = run.metrics["metric"] == "elapsed_s"
    run.metrics.loc[is_time, "value"] = seconds * run.metrics.loc[is_time, "epoch"]
    return run


def test_a_race_is_to_a_loss_above_the_shared_best_and_gives_a_ratio() -> None:
    (verdict,) = answer([curves(8), curves(4, name="b")], FASTER)
    assert verdict.answer == "yes"
    assert "geometric mean epochs to 1.1 times the validation loss that both reach" in verdict.sentence
    assert np.exp(verdict.comparison.gap) == pytest.approx(0.5, rel=0.15)
    assert " times (95 % interval 0." in verdict.sentence


@pytest.mark.parametrize("seconds", [1.0, 2.2, 9.0])
def test_seconds_are_a_product_of_ratios_and_never_a_yes_or_no(seconds: float) -> None:
    (verdict,) = answer([curves(8), curves(4, seconds=seconds, name="b")], FASTER | {"metric": "convergence/seconds"})
    assert verdict.answer == "not tested"
    assert "the epochs of a, each in" in verdict.sentence
    assert f"{seconds / 2:#.3g}" in verdict.sentence


@pytest.mark.parametrize(("metric", "than"), [("test/loss", "train/loss"), ("mc/accuracy", "val/accuracy")])
def test_two_fixed_sets_of_images_get_no_verdict(metric: str, than: str) -> None:
    measured: Any = {metric.replace("/", "__"): [0.1, 0.2, 0.3], than.replace("/", "__"): [0.5, 0.6, 0.7]}
    run = made("b", {1: [], 2: [], 3: []}, **measured)
    (verdict,) = answer([run], spec(metric, arm="b") | {"than": "b", "than_metric": than})
    assert verdict.answer == "not tested"
    assert "two fixed sets" in verdict.sentence


def test_an_untested_question_costs_the_others_nothing() -> None:
    runs = [
        made(x, {s: [] for s in range(5)}, test__accuracy=v, time__epoch_s=[1.0] * 5)
        for x, v in (("a", [0.9, 0.91, 0.92, 0.93, 0.9]), ("b", [0.95, 0.95, 0.97, 0.96, 0.94]))
    ]
    alone, among = answer(runs, spec())[0], answer(runs, spec("time/epoch_s"), spec())[1]
    assert (alone.p, alone.evidence) == (among.p, among.evidence)


def test_arms_of_which_one_has_more_seeds_are_paired_on_those_that_both_have() -> None:
    a = made("a", {s: [] for s in range(10)}, test__accuracy=[0.9 + 0.01 * s for s in range(10)])
    b = made("b", {s: [] for s in range(5)}, test__accuracy=[0.93 + 0.0101 * s for s in range(5)])
    (verdict,) = answer([a, b], spec())
    assert verdict.answer == "yes"
    assert "paired on the 5 seeds that both arms have" in verdict.sentence


def test_four_arms_of_like_spread_share_their_spread() -> None:
    rng = np.random.default_rng(1)
    runs = [made(x, {s: [] for s in range(5)}, test__accuracy=list(rng.normal(0.97, 0.002, 5))) for x in "abcd"]
    verdicts = answer(runs, *(spec(arm=x) for x in "bcd"))
    assert {v.comparison.test for v in verdicts} == {"paired t test with the spread of 4 arms"}
    assert all(f"simultaneous 95 % interval of {len(verdicts)} verdicts" in v.evidence for v in verdicts)


def test_two_baselines_with_one_value_each_are_not_tested() -> None:
    runs = [made(name, {s: [] for s in range(5)}, test__accuracy=[x] * 5) for name, x in (("a", 0.9), ("b", 0.8))]
    assert (answer(runs, spec())[0].words, answer(runs, spec())[0].is_fact) == ("no", False)
    for run in runs:
        run.config["baseline"] = {"_target_": "sklearn.dummy.DummyClassifier"}
    [verdict] = answer(runs, spec())
    assert (verdict.words, verdict.is_fact) == ("no, a fact", True)


def test_the_means_of_an_answer_are_over_the_seeds_that_it_compares() -> None:
    few = made("a", {s: [1.0] for s in range(3)}, test__accuracy=[0.6, 0.7, 0.8])
    more = made("b", {s: [1.0] for s in range(5)}, test__accuracy=[0.7, 0.8, 0.9, 0.1, 0.1])
    [verdict] = answer([few, more], spec())
    assert "80.00 % (b) against 70.00 % (a), difference +10.00 points" in verdict.evidence


def test_a_share_has_the_resolution_of_what_it_is_counted_over() -> None:
    sizes = {"sizes": {"train": 70, "val": 10, "test": 20}}
    run = Run("a", Path("a"), config={"net": {"hidden": [60, 40]}}, data=sizes)
    shares = {"test/accuracy": 20, "mc/accuracy": 20, "overfitting/gap": 20, "dead/share": 100, "equal/share": 100}
    assert {metric: counted(metric, run) for metric in shares} == shares
    ones = pd.Series([0.5, 0.6]), pd.Series([0.5, 0.6])
    assert scale_of("overfitting/gap", About("points"), ones, 20).resolution == 1 / 20
    assert counted("dead/share", Run("a", Path("a"), config={"net": {"width": 60}}, data=sizes)) is None
