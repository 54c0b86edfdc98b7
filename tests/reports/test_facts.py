"""Where nothing is random an answer is a fact: it is said to be one, it is not tested, and it is counted apart."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import answer_counts, repeats
from benchmarks.result_pages import answer, claims
from dnnx.reports.findings import cell
from dnnx.reports.record import of_arm, of_claim
from dnnx.reports.saying import say, say_count
from dnnx.reports.verdicts import Verdict, decide
from dnnx.runs.run import COLUMNS, Run, Study


def made(name: str, *curves: list[float], **results: list) -> Run:
    """A run with the validation losses of each seed; the last one is its test loss."""
    rows = [(e, "val", "loss", s, x) for s, curve in enumerate(curves) for e, x in enumerate(curve, 1)]
    rows += [(e, "time", "elapsed_s", s, 0.1 * s + e) for e, _, _, s, _ in rows]
    found = {"seeds": list(range(len(curves))), "test/loss": [curve[-1] for curve in curves]}
    found |= {key.replace("__", "/"): values for key, values in results.items()}
    return Run(name, Path(name), metrics=pd.DataFrame(rows, columns=COLUMNS), results=found)


def spec(arm: str, than: str, expect: str = "lower", metric: str = "test/loss") -> dict[str, Any]:
    return {"ask": "Really?", "metric": metric, "arm": arm, "than": than, "expect": expect}


def answers(*specs: dict[str, Any], runs: tuple[Run, ...]) -> list[Verdict]:
    return decide(Study("s", "", "a", list(runs), list(specs), []))[0]


LOW, HIGH = made("low", *[[0.5, 0.08254]] * 2), made("high", *[[0.7, 0.1834]] * 2)
RANDOM = made("random", [0.6, 0.2], [0.65, 0.21], [0.61, 0.19])


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (spec("low", "high"), "Yes, a fact: the test loss of low is lower than that of high, 0.08254 against 0.1834"),
        (spec("high", "low"), "No, a fact: the test loss of high is higher than that of low, 0.1834 against 0.08254"),
        (spec("low", "low"), "The same, a fact: test loss of low and low, 0.08254 against 0.08254"),
        (spec("low", "high", metric="epoch/val/loss<0.1"),
         "Yes, a fact: the first epoch with a val loss below 0.1 of low is lower than that of high, 2 against never"),
        (spec("low", "high", metric="epoch/val/loss<0.01"),
         "The same, a fact: first epoch with a val loss below 0.01 of low and high, never against never"),
    ],
)  # fmt: skip
def test_the_sign_of_the_difference_answers(found: dict[str, Any], told: str) -> None:
    (verdict,) = answers(found, runs=(LOW, HIGH))
    assert say(verdict) == f"{told}; nothing is random here."
    assert verdict.is_fact
    assert np.isnan(verdict.p)
    assert not verdict.comparison.tested
    assert "nothing is random here, so this is a fact about these examples" in verdict.sentence


@pytest.mark.parametrize(("factor", "is_fact"), [(1 + 1e-6, True), (1 + 1e-3, False)])
def test_seeds_that_differ_by_rounding_are_equal_and_others_are_tested(factor: float, is_fact: bool) -> None:
    """In any epoch: seeds that only end at one loss are random."""
    for near in (made("near", [0.5, 0.08], [0.5, 0.08 * factor]), made("near", [0.5, 0.08], [0.5 * factor, 0.08])):
        (verdict,) = answers(spec("near", "high"), runs=(near, HIGH))
        assert verdict.is_fact is is_fact
        assert cell(near, "test/loss").endswith("(not random)") is is_fact


def test_a_seed_alone_and_an_arm_that_is_random_make_no_fact() -> None:
    alone = made("alone", [0.5, 0.1])
    for verdict in answers(spec("random", "low"), spec("alone", "low"), runs=(RANDOM, LOW, alone)):
        assert not verdict.is_fact
    assert cell(alone, "test/loss") == "0.100 (n = 1)"


def test_curves_alone_make_no_fact_of_a_metric_that_differs_between_seeds() -> None:
    odd = made("odd", [0.5, 0.08], [0.5, 0.08], test__accuracy=[0.9, 0.8])
    even = made("even", [0.5, 0.08], [0.5, 0.08], test__accuracy=[0.9, 0.9])
    (verdict,) = answers(spec("odd", "even", metric="test/accuracy"), runs=(odd, even))
    assert not verdict.is_fact


def test_facts_widen_no_interval() -> None:
    other = made("other", [0.6, 0.3], [0.65, 0.28], [0.61, 0.31])
    tested = spec("random", "other")
    alone = answers(tested, runs=(RANDOM, other))[0]
    among = answers(spec("low", "high"), tested, runs=(RANDOM, other, LOW, HIGH))[1]
    assert (alone.p, alone.evidence) == (among.p, among.evidence)


def test_facts_are_counted_apart() -> None:
    other = made("other", [0.6, 0.3], [0.65, 0.28], [0.61, 0.31])
    specs = [spec("low", "high"), spec("low", "high", "higher"), spec("random", "other")]
    found = answers(*specs, runs=(LOW, HIGH, RANDOM, other))
    assert say_count(found) == (
        "1 of 1 questions are decided: 1 yes; 2 answers without a test, as nothing is random: 1 yes, 1 no."
    )
    assert say_count(found[:2] * 2) == "4 answers without a test, as nothing is random: 2 yes, 2 no."


def test_a_result_file_and_its_pages_say_that_an_answer_is_a_fact_and_repeats_leave_it_out() -> None:
    found = [
        of_claim(v) for v in answers(spec("low", "high"), spec("random", "low", "higher"), runs=(LOW, HIGH, RANDOM))
    ]
    assert [claim["fact"] for claim in found] == [True, False]
    record = {"claims": found}
    assert claims(record).splitlines()[2] == (
        "| Really? | **yes, a fact** | 0.08254 against 0.1834; nothing is random |"
    )
    assert answer(record).startswith("the test loss of low is lower than that of high, a fact, 0.08254 against")
    assert repeats.counts(found, record).total() == 1
    table = answer_counts.table(
        {"one": record, "two": {"claims": [{"answer": "undecided"}, {"answer": "not measured"}]}}
    )
    assert table.splitlines()[2:] == [
        "| tested over seeds | 1 | 0 | 0 | 1 | 1 | 3 |",
        "| facts: nothing is random | 1 | 0 | 0 | 0 | 0 | 1 |",
    ]
    arm = of_arm(LOW, Study("s", "", "low", [LOW, HIGH], [], []))
    assert arm["metrics"]["test/loss"]["text"] == "0.08254 (not random)"
    assert "optimizer.lr" not in arm["metrics"]  # it was not searched
    searched = replace(LOW, lr_search=pd.DataFrame(), config={"optimizer": {"lr": 1e-3}})
    arm = of_arm(searched, Study("s", "", "low", [searched, HIGH], [], []))
    assert arm["metrics"]["optimizer.lr"]["text"] == "0.001"
