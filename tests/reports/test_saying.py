"""Answers read as a person would say them, with the direction that was found and the digits that they deserve."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import write_run, write_study
from rich.console import Console

from dnnx.reports.findings import cell
from dnnx.reports.report import build
from dnnx.reports.saying import say, say_count, say_cut_off, say_few_examples, say_looked
from dnnx.reports.scales import geometric
from dnnx.reports.study_table import answers_in_words, study_table
from dnnx.reports.table import results_table
from dnnx.reports.verdicts import Verdict, decide
from dnnx.runs.read import read_run, read_study
from dnnx.runs.run import Run, Study

PLAIN = [0.970, 0.972, 0.968, 0.971, 0.969]
BETTER = [0.981, 0.981, 0.978, 0.982, 0.979]


def verdict(
    tmp_path: Path, ours: list[float], expect: str = "higher", metric: str = "test/accuracy", **more: Any
) -> Verdict:
    data = {"data": {"sizes": {"test": 10000}}}
    arms = {"plain": {"accuracy": PLAIN, **data}, "bn": {"accuracy": ours, **data, **more}}
    folder = write_study(tmp_path / "s", arms)
    read = read_study([folder])
    read.verdicts = [{"ask": "?", "metric": metric, "arm": "bn", "than": "plain", "expect": expect}]
    return decide(read)[0][0]


def test_a_yes_names_the_direction_both_numbers_the_interval_and_n(tmp_path: Path) -> None:
    assert say(verdict(tmp_path, BETTER)) == (
        "Yes: bn is more accurate than plain, 98.02 % against 97.00 %, difference +1.02 points (+0.92 to +1.12), "
        "n = 5 seeds."
    )


def test_a_no_names_the_direction_that_was_found(tmp_path: Path) -> None:
    assert say(verdict(tmp_path, BETTER, expect="lower")).startswith("No: bn is more accurate than plain, ")


def test_an_undecided_one_says_how_many_seeds_would_decide(tmp_path: Path) -> None:
    found = verdict(tmp_path, [0.972, 0.969, 0.975, 0.970, 0.974])
    assert say(found).startswith("Undecided whether bn is more accurate than plain: 97.20 % against 97.00 %, ")
    told = f"; a new study of about {found.enough.new} seeds would decide, or about {found.enough.added} seeds added to"
    assert say(found).endswith(f"{told} each of these two arms.")


def test_another_metric_is_named_by_its_words(tmp_path: Path) -> None:
    told = say(verdict(tmp_path, PLAIN, "lower", "val/loss", speed=2.0))
    assert told.startswith(
        ("Yes: the val loss of bn is lower than that of plain, ", "Undecided whether the val loss of bn")
    )


def test_seeds_that_diverged_leave_a_sentence(tmp_path: Path) -> None:
    told = say(verdict(tmp_path, PLAIN, diverged=[0, 1, 2, 3, 4]))
    assert told == (
        "Undecided whether bn is more accurate than plain: diverged against 97.00 %, n = 5 seeds; "
        "how many seeds would decide cannot be estimated, as seeds diverged or never got there."
    )


def test_numbers_of_seeds_of_which_one_diverged_are_called_medians(tmp_path: Path) -> None:
    found = verdict(tmp_path, BETTER, diverged=[0])
    assert ": medians 97.90 % against 97.00 %, " in say(found)
    assert "medians" not in say(verdict(tmp_path / "all", BETTER))


def test_a_seed_that_diverged_in_both_arms_is_said_to_be_left_out() -> None:
    a, b = (Run(name, Path(name), results=_with_a_lost_seed(x)) for name, x in (("bn", 0.98), ("plain", 0.97)))
    spec = {"ask": "Better?", "metric": "test/accuracy", "arm": "bn", "than": "plain", "expect": "higher"}
    (found,) = decide(Study("s", "", "plain", [a, b], [spec], []))[0]
    assert (found.comparison.n, found.answer) == (4, "yes")
    assert "medians" not in say(found), "the numbers are those of the difference"
    assert "1 seed without one in both arms is left out" in found.sentence


def _with_a_lost_seed(mean: float) -> dict[str, Any]:
    accuracies = [None, *(mean + 0.0001 * i * (-1) ** i for i in range(4))]
    about = {"test/accuracy": {"unit": "%", "better": "higher"}}
    return {"seeds": [*range(5)], "epoch/diverged": [1, *[None] * 4], "test/accuracy": accuracies, "about": about}


def test_three_questions_or_more_are_counted(tmp_path: Path) -> None:
    one = verdict(tmp_path, BETTER)
    assert say_count([one] * 2) == ""
    assert say_count([one] * 3) == "3 of 3 questions are decided: 3 yes."


def test_the_console_shows_every_arm_and_wraps_at_words(study: Path) -> None:
    read = read_study([study])
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(study_table(read))
    for line in answers_in_words(decide(read)[0]):
        console.print(line)
    shown = console.export_text()
    assert "98.02" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert " points (+0.92 to" in shown.replace("\n", " ")


@pytest.mark.usefixtures("undrawn")
def test_a_single_run_has_its_result_and_no_question(tmp_path: Path) -> None:
    made = build([write_run(tmp_path / "a", accuracy=PLAIN)], tmp_path / "out")
    told = made.md.read_text().replace("\u00a0", " ")
    assert "a has a test accuracy of 97.00 % (96.80 to 97.20, n = 5). The ensemble of its 5 seeds has 97.00 %." in told
    assert "differs between" not in told


def test_seconds_that_are_not_tested_have_a_subject(tmp_path: Path) -> None:
    told = say(verdict(tmp_path, PLAIN, "lower", "convergence/seconds"))
    assert told.startswith("Not tested: bn needs ")
    assert " the epochs of plain, each in " in told


def test_seeds_added_by_hand_explain_an_open_answer_and_say_what_to_type(tmp_path: Path) -> None:
    found = verdict(tmp_path, [0.972, 0.969, 0.975, 0.970, 0.974])
    assert say_looked([found]) == ""
    added = replace(found, level=replace(found.level, earlier=1))
    assert "Results had been seen before" in say_looked([added])
    assert "study.until=decided" in say_looked([added])
    assert say_looked([replace(added, answer="yes")]) == ""
    assert say_looked([added]) in [str(line) for line in answers_in_words([added])]


def test_geometric_means_are_named_under_their_tables(study: Path) -> None:
    read = read_study([study])
    assert study_table(read).caption == "Means of losses and epochs are geometric."
    assert results_table("t", read.runs[0].results).caption == "Means of losses and epochs are geometric."
    assert geometric(["test/accuracy"]) == ""


@pytest.mark.parametrize(
    ("limit", "scheduler", "best", "told"),
    [
        (8, "Constant", [8, 8, 3, 8, None], "a (3 of 5 seeds)"),
        (8, "Constant", [8, 7, 3, 6, 5], "a (1 of 5 seeds)"),
        (9, "Constant", [8, 8, 3, 8, None], ""),
        (8, "Cosine", [8, 8, 3, 8, None], ""),
    ],
)
def test_arms_that_were_cut_off_are_named(
    tmp_path: Path, limit: int, scheduler: str, best: list[int | None], told: str
) -> None:
    """A schedule ends by design where its rate is lowest."""
    config = {"trainer": {"max_epochs": limit}, "scheduler": {"_target_": f"torch.optim.lr_scheduler.{scheduler}LR"}}
    run = read_run(write_run(tmp_path / "a", config=config), "a")
    run.results["epoch/best"] = best
    assert told in say_cut_off([run])
    assert bool(say_cut_off([run])) == bool(told)


def test_one_seed_of_many_in_the_last_epoch_is_no_news(tmp_path: Path) -> None:
    config = {"trainer": {"max_epochs": 8}, "scheduler": {"_target_": "torch.optim.lr_scheduler.ConstantLR"}}
    run = read_run(write_run(tmp_path / "a", seeds=range(20), config=config), "a")
    run.results["epoch/best"] = [8, *[5] * 19]
    assert say_cut_off([run]) == ""
    run.results["epoch/best"] = [8] * 6 + [5] * 14
    assert "a (6 of 20 seeds)" in say_cut_off([run])


def of_examples(found: Verdict, num: int, folds: bool = False) -> Verdict:
    """The verdict on a table with `num` test rows."""
    scale = replace(found.question.scale, resolution=1 / num, overlap=0.25 if folds else 0.0)
    arm = replace(found.question.arm, config={"data": {"folds": 5 if folds else None}}, data={"in_shape": [13]})
    return replace(found, question=replace(found.question, scale=scale, arm=arm))


def test_few_test_examples_are_named_where_one_weighs_more_than_the_margin(tmp_path: Path) -> None:
    found = verdict(tmp_path, [0.972, 0.969, 0.975, 0.970, 0.974])
    assert say_few_examples([of_examples(found, 27), of_examples(found, 27)]) == (
        "27 test examples: one of them is 3.7 points, more than the margin of 0.1 points, so small differences stay "
        "undecided; data.folds=5 tests all rows, and a claim on test/loss sees more than right or wrong."
    )
    assert say_few_examples([of_examples(found, 1000), of_examples(found, 27, folds=True)]) == ""
    assert say_few_examples([replace(of_examples(found, 27), answer="yes")]) == ""


def test_the_table_of_the_console_has_the_digits_of_the_report(study: Path) -> None:
    read = read_study([study])
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(study_table(read))
    lines = console.export_text().splitlines()
    for run in read.runs:
        (line,) = [line for line in lines if line.split()[:1] == [run.name]]
        for metric in ("val/loss", "epoch/best"):
            mean = cell(run, metric).split("\u00a0")[0].split(" ")[0]
            assert mean in line.split(), f"{metric} of {run.name}"


def test_equal_best_epochs_are_a_whole_number_in_the_console(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", {"a": {}, "b": {"noise": 1}})
    for arm in ("a", "b"):
        results = json.loads((folder / arm / "results.json").read_text())
        (folder / arm / "results.json").write_text(json.dumps(results | {"epoch/best": [6] * 5}))
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(study_table(read_study([folder])))
    assert [line.split()[-1] for line in console.export_text().splitlines() if line.split()[:1] in (["a"], ["b"])] == [
        "6", "6",
    ]  # fmt: skip
