"""A study that goes on until it is decided: each answer is that of its look; seeds added by hand are another case."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_runs import write_study

from dnnx.reports.evidence import difference
from dnnx.reports.levels import nominal_levels
from dnnx.reports.report import build
from dnnx.reports.verdicts import Verdict, decide
from dnnx.runs import schema
from dnnx.runs.looks import Look, Looks
from dnnx.runs.read import read_study
from dnnx.runs.run import Run, Study

LOOKS = (5, 10, 20)
MORE = {"ask": "More?", "metric": "test/mae", "arm": "b", "than": "a", "expect": "higher", "same": 0.5}


def run(name: str, values: Any, **others: Any) -> Run:
    results: dict[str, Any] = {"seeds": list(range(len(values))), "test/mae": list(values)}
    results |= {"about": {"test/mae": {"unit": "", "better": None}}}
    return Run(name, Path(name), results=results, **others)


def looks(*numbers: int, arms: tuple[str, ...] = ("a", "b", "c")) -> Looks:
    return Looks(LOOKS, tuple(Look(tuple(range(n)), arms) for n in numbers))


def answers(runs: list[Run], seen: Looks | None, *specs: dict[str, Any]) -> tuple[list[Verdict], list[str]]:
    return decide(Study("s", "", "a", runs, list(specs or [MORE]), [], looks=seen))


def pair(effect: float, n: int = 20, seed: int = 0) -> list[Run]:
    rng = np.random.default_rng(seed)
    return [run("a", rng.normal(size=n)), run("b", rng.normal(effect, 1, n))]


def test_an_answer_is_that_of_the_look_which_gave_it_whatever_seeds_say_later() -> None:
    a = np.random.default_rng(0).normal(size=20)
    b = a + np.array([*np.linspace(2.9, 3.1, 5), *[-30.0] * 15])
    (verdict,), _ = answers([run("a", a), run("b", b)], looks(5, 10, 20))
    assert (verdict.answer, verdict.level.look, verdict.comparison.n) == ("yes", 1, 5)
    assert "decided at look 1 of 3" in verdict.evidence
    assert "n = 5 seeds" in verdict.evidence


def test_each_look_has_its_level_for_all_claims() -> None:
    specs = [MORE, MORE | {"arm": "c"}, {**MORE, "metric": "time/epoch_s"}]
    runs = [*pair(0), run("c", np.random.default_rng(9).normal(size=20))]
    for taken in ((5,), (5, 10), (5, 10, 20)):
        found, _ = answers(runs, looks(*taken), *specs)
        assert [verdict.answer for verdict in found] == ["undecided", "undecided", "not tested"]
        expected = nominal_levels(LOOKS, 0.05 / 2)[len(taken) - 1]
        assert {verdict.level.alpha for verdict in found[:2]} == {expected}
        assert f"open after look {len(taken)} of 3" in found[0].evidence
        assert "simultaneous 95 % interval of 2 verdicts at 3 looks" in found[0].evidence


def test_before_the_first_look_there_is_no_answer() -> None:
    found, lost = answers(pair(3), looks())
    assert found == []
    assert lost == ["no answer to 'More?': the first look, at 5 seeds, was not taken"]


def test_seeds_that_no_look_has_seen_count_in_no_answer_and_are_said() -> None:
    before, _ = answers(pair(0, 20), looks(5))
    again, lost = answers(pair(0, 20), Looks(LOOKS, looks(5).taken))
    assert again[0].comparison == before[0].comparison
    assert lost[0].startswith("a: no look has seen the seeds 5, 6, 7,")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=20, max_size=20), st.floats(-3, 3))
def test_more_seeds_never_change_an_answer_that_a_look_gave(gaps: list[float], effect: float) -> None:
    """Whatever the seeds are: favourable, contrary, or far out."""
    runs = [run("a", [0.0] * 20), run("b", np.array(gaps) + effect)]
    given_before = None
    for taken in ((5,), (5, 10), (5, 10, 20)):
        (verdict,), _ = answers(runs, looks(*taken))
        if given_before in ("yes", "no", "same"):
            assert verdict.answer == given_before
        given_before = verdict.answer


@pytest.mark.slow
def test_equal_arms_are_called_different_in_at_most_5_percent_of_whole_studies() -> None:
    """Four arms, three claims, pooled spreads: a study errs where any of its claims does."""
    rng, wrong = np.random.default_rng(1), 0
    specs = [MORE | {"arm": arm, "same": 0.2} for arm in "bcd"]
    for _ in range(120):
        shared = rng.normal(size=20)
        runs = [run(name, shared + rng.normal(size=20)) for name in "abcd"]
        found, _ = answers(runs, looks(5, 10, 20, arms=tuple("abcd")), *specs)
        wrong += any(verdict.answer in ("yes", "no") for verdict in found)
    assert wrong <= 12, f"{wrong} of 120; 5 % are 6, and more than 12 has a chance of 0.01"


def test_seeds_added_by_hand_after_a_result_get_an_interval_that_holds_at_any_time() -> None:
    a, b = pair(1.2, 12)
    at_once = decide(Study("s", "", "a", [a, b], [MORE], []))[0][0]
    b.earlier = [[0, 1, 2, 3, 4]]
    (verdict,), _ = answers([a, b], None)
    assert verdict.comparison.test == "paired anytime-valid t test"
    assert verdict.comparison.low < at_once.comparison.low
    assert "results had been seen before the last seeds were added" in verdict.evidence
    assert "95 % interval that holds at any time" in verdict.evidence
    assert (
        "too few seeds for an interval; as seeds were added after results had been seen, it takes more"
        in difference(
            replace(verdict.comparison, low=-np.inf, high=np.inf), verdict.question.scale, verdict.question.about
        )
    )
    (planned,), _ = answers([a, b], looks(5, 10))
    assert planned.comparison.test == "paired t test", "planned looks pay for themselves"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": {"source": "digits", "note": "digits", "files": {}}}, "the arms have other data, by checksum"),
        ({"data": {"source": "made", "note": "x", "files": {"f": "2"}}}, "the arms have other data, by checksum"),
        ({"environment": {"dnnx": "0.1.0"}}, "the arms were trained by other versions, dnnx 0.2.0 and 0.1.0"),
    ],
)
def test_one_verdict_mixes_neither_data_nor_versions(change: dict[str, Any], says: str) -> None:
    made = {"data": {"source": "made", "note": "m", "files": {"f": "1"}}, "environment": {"dnnx": "0.2.0"}}
    a, b = pair(5, 10)
    a, b = run("a", a.results["test/mae"], **(made | change)), run("b", b.results["test/mae"], **made)
    (verdict,) = decide(Study("s", "", "a", [a, b], [MORE], []))[0]
    assert verdict.answer == "not tested"
    assert says in verdict.evidence


@pytest.mark.usefixtures("undrawn")
def test_a_report_shows_its_looks_and_reads_them_from_study_json(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    arms: dict[str, dict[str, Any]] = {
        name: {"seeds": range(10), "accuracy": list(rng.normal(mean, 0.002, 10)), "data": {"sizes": {"test": 5000}}}
        for name, mean in (("a", 0.95), ("b", 0.99))
    }
    spec = {"ask": "Really?", "metric": "test/accuracy", "arm": "b", "than": "a", "expect": "higher"}
    taken = [{"seeds": list(range(n)), "arms": ["a", "b"]} for n in (5, 10)]
    folder = write_study(tmp_path / "s", arms, verdicts=[spec], looks={"planned": [5, 10, 20], "taken": taken})
    made = build([folder], folder)
    said = made.md.read_text().replace("\u00a0", " ")
    assert "## Looks" in said
    assert "decided at look 1 of 3" in made.sentences[0]
    rows = [line for line in said.split("## Looks")[1].splitlines() if line.startswith(("| 1 ", "| 2 ", "| 3 "))]
    assert "b against a, test accuracy: yes" in rows[0]
    assert "none" in rows[1]
    assert "not taken" in rows[2]


GOOD: dict[str, Any] = {"planned": [2, 4], "taken": [{"seeds": [0, 1], "arms": ["a"]}]}


@pytest.mark.parametrize(
    "bad",
    [
        {"planned": [4, 2]},
        {"planned": [1, 4]},
        {"planned": []},
        {"planned": "5"},
        {"taken": [{"seeds": [0], "arms": ["a"]}]},
        {"taken": [{"seeds": [0, 0], "arms": ["a"]}]},
        {"taken": [{"seeds": [0, 1]}]},
        {"taken": GOOD["taken"] * 3},
        {"other": 1},
    ],
    ids=str,
)
def test_looks_in_another_form_are_refused(bad: dict[str, Any]) -> None:
    declared = {"arms": ["a"], "looks": GOOD}
    assert Looks.of(schema.study(json.loads(json.dumps(declared)))["looks"]).plain() == GOOD  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="looks must have increasing"):
        schema.study(declared | {"looks": GOOD | bad})


def test_a_study_is_limited_to_the_seeds_and_arms_of_a_look(tmp_path: Path) -> None:
    study = read_study([write_study(tmp_path / "s", {"a": {}, "b": {}, "c": {}})])
    study.runs[0].predictions["outputs"] = np.arange(5)[:, None]
    seen = study.at(Look((1, 3), ("a", "b")))
    assert [one.name for one in seen.runs] == ["a", "b"]
    first, whole = seen.runs[0], study.runs[0]
    assert first.seeds == [1, 3]
    assert first.results["test/accuracy"] == [whole.results["test/accuracy"][i] for i in (1, 3)]
    assert np.array_equal(first.predictions["probabilities"], whole.predictions["probabilities"][[1, 3]])
    assert first.predictions["outputs"].tolist() == [[1], [3]]
    assert set(first.metrics["seed"]) == {1, 3}
    assert not any(name.startswith("ensemble/") for name in first.results), "an ensemble is of all seeds"
    assert whole.limited(range(5)) is whole


def test_an_interval_that_is_not_there_yet_is_said() -> None:
    """After two seeds and one by hand, no difference could be shown at any size."""
    a, b = run("a", [0.0, 1.0, 2.0]), run("b", [1.0, 2.5, 2.0])
    b.earlier = [[0, 1]]
    specs = [MORE | {"ask": str(i)} for i in range(20)]
    verdict = decide(Study("s", "", "a", [a, b], specs, []))[0][0]
    assert verdict.answer == "undecided"
    assert "too few seeds for an interval" in verdict.evidence
