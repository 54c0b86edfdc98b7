"""Numbers in the pages are those of the result files, and a result whose study has changed is marked as stale."""

import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from benchmarks import results
from benchmarks.repeats import DECIDED
from benchmarks.result_pages import (
    NOT_YET,
    STALE,
    answer,
    arms,
    beside,
    expand,
    head_of_experiment,
    rendered,
)
from benchmarks.stale import declared, other_files, reasons
from dnnx.basics.errors import UserError
from dnnx.config.compose import compose
from dnnx.config.paths import experiment
from dnnx.reports.record import of_data
from dnnx.runs.run import Run, Study

RECORDS = results.records()
ROOT = results.ROOT
STUDIES = {path.stem for path in (ROOT / "conf" / "exp").glob("*/*.yaml")}


@cache
def now(name: str) -> dict[str, Any]:
    return declared(name)


def test_every_page_shows_the_numbers_of_the_result_files() -> None:
    """`make results` renders the pages; do not write by hand between two markers."""
    stale = {name: reasons(record, now(name)) for name, record in RECORDS.items()}
    pages = results.pages(RECORDS, stale)
    assert [str(path.relative_to(ROOT)) for path, text in pages.items() if path.read_text() != text] == []


@pytest.mark.parametrize("page", ["docs/questions.md", "docs/results/normalization.md", "README.md"])
def test_a_digit_that_is_changed_by_hand_is_noticed(page: str) -> None:
    text = (ROOT / page).read_text()
    found = next(m for m in re.finditer(r"(<!-- result: \w+ [^>]*? -->[^<]*?)(\d)([^<]*<!-- /result -->)", text))
    changed = text[: found.start(2)] + str((int(found[2]) + 1) % 10) + text[found.end(2) :]
    assert rendered(changed, RECORDS, {}) != changed
    assert rendered(changed, RECORDS, {}) == rendered(text, RECORDS, {})


@pytest.mark.parametrize(
    ("gone", "row"), [("some", "2 of 10 seeds diverged) | 9"), ("all", "10 of 10 seeds diverged) |  |")]
)
def test_seeds_that_diverged_stand_beside_their_arm(gone: str, row: str) -> None:
    record = deepcopy(RECORDS["cyclical_rates"])
    record["arms"]["halved"]["diverged"] = {"some": 2, "all": 10}[gone]
    assert f"| halved ({row}" in arms(record)


def test_the_head_of_an_experiment_says_its_cost_and_what_it_needs() -> None:
    path = experiment("transfer_depth")
    assert path is not None
    record = RECORDS["transfer_depth"] | {
        "minutes": 3.21,
        "command": "python -m dnnx.train +exp=transfer_depth study.until=decided",
    }
    cost = "3.2 minutes of training on 1 thread with study.until=decided, after +exp=bn_vs_plain"
    assert (
        head_of_experiment(path.read_text(), record).splitlines()[1]
        == f"# python -m dnnx.train +exp=transfer_depth   ({cost})"
    )
    assert " with `study.until=decided`: 5 to " in expand("transfer_depth status", {"transfer_depth": record}, {})
    added = record | {"claims": [{"answer": "yes", "test": "paired anytime-valid t test"}]}
    assert ", with seeds that were added later: 5 to " in expand("transfer_depth status", {"transfer_depth": added}, {})


def test_no_page_has_minutes_that_are_typed() -> None:
    pages = (ROOT / "docs" / "results").glob("*.md")
    lines = [line for page in pages for line in page.read_text().splitlines() if line.startswith("dnnx train +exp=")]
    assert lines
    assert [line for line in lines if "minute" in line] == []


@pytest.mark.parametrize("study", sorted(STUDIES & RECORDS.keys()))
def test_every_study_with_numbers_says_where_its_numbers_come_from(study: str) -> None:
    """The page of its field says when it was measured, and the table of all studies whether it is stale."""
    path = experiment(study)
    assert path is not None
    page = (ROOT / "docs" / "results" / f"{path.parent.name}.md").read_text()
    assert f"<!-- result: {study} status -->" in page
    assert f"<!-- result: {study} mark -->" in (ROOT / "docs" / "results" / "README.md").read_text()


def test_arms_of_equal_settings_and_seeds_have_one_number_in_all_studies() -> None:
    seen: dict[tuple[str, str, str], tuple[str, float]] = {}
    for name, record in RECORDS.items():
        for arm, entry in record["arms"].items():
            for metric, number in entry["metrics"].items():
                if metric.startswith("test/"):
                    mean = number["mean"]
                    first = seen.setdefault((entry["config"], entry["seeds"], metric), (f"{name} {arm}", mean))
                    assert first[1] == pytest.approx(mean, rel=1e-4), f"{metric} of {name} {arm} and {first[0]}"


def test_a_study_without_a_result_file_is_not_measured() -> None:
    assert expand("some_new_study status", {}, {}) == NOT_YET
    assert expand("some_new_study mark", {}, {}) == ""


def test_result_files_name_no_machine_and_no_folder() -> None:
    for record in RECORDS.values():
        text = json.dumps({key: value for key, value in record.items() if key != "declared"})
        assert not re.search(r"/(home|root|tmp|work|Users)/", text)
        assert set(record["machine"]) <= {"dnnx", "torch", "python", "threads"}
        assert re.fullmatch(r"[0-9a-f]{40}", record["commit"]), "measured on a clean commit"


CHANGES = {
    "a setting": lambda d: d["settings"].update({"data.batch_size": 7}),
    "an override of an arm": lambda d: d["arms"].update({"before": ["net.norm=layer"]}),
    "an arm that is gone": lambda d: d["arms"].pop("fast"),
    "an arm that is new": lambda d: d["arms"].update({"more": []}),
    "a claim": lambda d: d["claims"].pop(),
    "results_version": lambda d: d.update(results_version=2),
    "the data": lambda d: d["settings"].update({"data.train_size": 4000}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_result_is_stale_and_marked_when_its_study_changes(change: Any) -> None:
    record, other = RECORDS["bn_place"], deepcopy(now("bn_place"))
    assert reasons(record, other) == []
    change(other)
    stale = {"bn_place": reasons(record, other)}
    assert stale["bn_place"]
    assert "**Stale**" in expand("bn_place status", RECORDS, stale)
    assert expand("bn_place mark", RECORDS, stale) == STALE
    page = "<!-- result: bn_place mark --><!-- /result -->"
    assert rendered(page, RECORDS, stale) == f"<!-- result: bn_place mark -->{STALE}<!-- /result -->"


def test_a_key_that_is_newer_than_a_result_does_not_make_it_stale() -> None:
    other = deepcopy(now("bn_place"))
    other["settings"]["net.new_key"] = None
    assert reasons(RECORDS["bn_place"], other) == []


def test_an_option_of_an_arm_that_changes_makes_a_result_stale() -> None:
    record = deepcopy(RECORDS["bn_place"])
    record["declared"]["options"] = {"optimizer=sgd": "0"}
    assert reasons(record, {**record["declared"], "options": {"optimizer=sgd": "1"}}) == [
        "options optimizer=sgd is 1, was 0"
    ]


def test_other_data_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "train-images-idx3-ubyte").write_bytes(b"other")
    assert other_files(RECORDS["bn_place"], tmp_path) == ["the data file train-images-idx3-ubyte is another"]


def test_the_results_are_of_the_data_files_here(mnist_root: Path) -> None:
    found = {name: lines for name, record in RECORDS.items() if (lines := other_files(record, mnist_root))}
    assert found == {}


def test_a_marker_that_no_result_can_fill_is_an_error() -> None:
    for marker in (
        "gone claims",
        "bn_place number gone test/accuracy",
        "bn_place gap a b test/accuracy",
        "bn_place what",
    ):
        with pytest.raises(UserError, match="marker"):
            expand(marker, RECORDS, {})


def test_a_result_file_leaves_out_the_folder_of_the_data() -> None:
    note = "Fashion-MNIST, IDX files of /home/me/data/raw, validation: the first 5,000 training images"
    found = of_data(Run("a", Path("a"), data={"note": note, "source": "idx"}))
    told = "Fashion-MNIST, IDX files, validation: the first 5,000 training images"
    assert found == {"note": told, "source": "idx"}


def test_the_two_numbers_of_a_claim_are_cells_too() -> None:
    claim = next(c for c in RECORDS["xor"]["claims"] if c["metric"].startswith("epoch/"))
    asked = f"{claim['arm']} {claim['than']} {claim['metric']}"
    assert expand(f"xor ours {asked}", RECORDS, {}) == claim["ours"] != claim["theirs"]
    assert expand(f"xor theirs {asked}", RECORDS, {}) == claim["theirs"]
    with pytest.raises(UserError, match="has no such number"):
        expand(f"xor mine {asked}", RECORDS, {})
    with pytest.raises(UserError, match="has no such number"):  # it is not tested, so it has no interval
        expand("bn_vs_plain gap bn plain convergence/seconds", RECORDS, {})


def test_the_head_of_an_experiment_has_the_answer_of_its_result() -> None:
    text = "# a\n# Answer: old,\n# in two lines.\n# All numbers: x\nname: a\n"
    new = head_of_experiment(text, RECORDS["bn_place"])
    assert "old" not in new
    assert "# Answer: " in new
    assert new.endswith("# All numbers: x\nname: a\n")
    assert all(len(line) <= 120 for line in new.splitlines())


def test_an_answer_tells_three_claims_and_counts_the_rest() -> None:
    told = answer(RECORDS["init"])
    decided = [claim for claim in RECORDS["init"]["claims"] if claim["answer"] in DECIDED]
    phrases = [claim["phrase"] for claim in decided]
    assert len(decided) > 4
    assert [phrase in told for phrase in phrases] == [True] * 3 + [False] * (len(decided) - 3)
    assert f"{len(decided) - 3} more **decided**" in told
    assert "(" not in told  # intervals are on the page of the field


def test_a_study_without_claims_answers_with_the_numbers_of_its_arms() -> None:
    metrics = {"test/accuracy": {"text": "99.4 % (99.3 to 99.5, n = 5)"}, "test/loss": {"text": "0.02"}}
    record = {"claims": [], "arms": {"plain": {"metrics": metrics}, "bn": {"metrics": metrics}}}
    assert answer(record) == "plain 99.4 % (99.3 to 99.5); bn 99.4 % (99.3 to 99.5)"


def test_runs_with_other_settings_than_the_study_declares_are_refused() -> None:
    arms = {arm: words for arm, words in now("bn_place")["arms"].items() if arm == "before"}
    plain: Any = OmegaConf.to_container(compose("train", ["+exp=bn_place", *arms["before"]], []), resolve=True)
    only = {**now("bn_place"), "arms": arms}
    results.require_as_declared(Study("bn_place", "", "before", [Run("before", Path("a"), config=plain)], [], []), only)
    typed = deepcopy(plain)
    typed["trainer"]["max_epochs"] = 2
    with pytest.raises(UserError, match=r"trainer\.max_epochs=15: before was trained with 2"):
        results.require_as_declared(
            Study("bn_place", "", "before", [Run("before", Path("a"), config=typed)], [], []), only
        )


def test_what_a_backbone_gives_its_arms_is_as_declared() -> None:
    arms = {arm: words for arm, words in now("transfer")["arms"].items() if arm == "frozen5"}
    plain: Any = OmegaConf.to_container(compose("train", ["+exp=transfer", *arms["frozen5"]], []), resolve=True)
    plain["backbone"] = "outputs/bn_vs_plain/2026-11-28_01-57-14/bn"
    plain["net"]["activation"] = "elu"
    only = {**now("transfer"), "arms": arms}
    study = Study("transfer", "", "frozen5", [Run("frozen5", Path("a"), config=plain)], [], [])
    results.require_as_declared(study, only)
    plain["backbone"] = "outputs/bn_vs_plain/2026-11-28_01-57-14/plain"
    with pytest.raises(UserError, match="backbone=outputs/bn_vs_plain/latest/bn"):
        results.require_as_declared(study, only)


def test_the_markers_of_a_study_that_is_not_measured_wait_for_its_result_file() -> None:
    waiting = min(STUDIES)
    known = {name: entry for name, entry in RECORDS.items() if name != waiting}
    assert [expand(f"{waiting} {table}", known, {}) for table in ("claims", "arms")] == ["", ""]
    for cell in ("answer", "number arm test/accuracy", "verdict a b test/accuracy", "beside a test/accuracy 97"):
        assert expand(f"{waiting} {cell}", known, {}) == "not measured yet"
    assert expand(f"{waiting} gap a b test/accuracy", known, {}) == ""
    with pytest.raises(UserError, match="what is none of claims, arms, answer"):
        expand(f"{waiting} what", known, {})


@pytest.mark.parametrize(
    ("published", "told"),
    [
        ("98.3", "in the interval"),
        ("98.9", "in the range of the seeds"),
        ("97.9", "in the range of the seeds"),
        ("99.2", "above all seeds"),
        ("90", "below all seeds"),
    ],
)
def test_a_published_number_is_said_to_lie_in_the_interval_in_the_range_or_outside(published: str, told: str) -> None:
    number = {"mean": 0.983, "low": 0.981, "high": 0.985, "text": "98.3 % (98.1 to 98.5, n = 10)"}
    record = {"arms": {"a": {"metrics": {"test/accuracy": {**number, "range": [0.978, 0.99]}}}}}
    assert beside(record, "a", "test/accuracy", published) == told


def test_a_published_number_beside_a_result_file_without_a_range() -> None:
    number = {"mean": 0.05, "low": 0.04, "high": 0.06, "text": "0.05 (0.04 to 0.06, n = 10)"}
    record = {"arms": {"a": {"metrics": {"test/loss": number}}}}
    found = [beside(record, "a", "test/loss", published) for published in ("0.05", "0.07", "0.01")]
    assert found == ["in the interval", "above all seeds", "below all seeds"]
