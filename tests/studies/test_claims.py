"""A claim in one line asks the question that a verdict written in full asks; one that is none is refused in a line."""

import re
from typing import Any

import pytest
from commands import compose

from dnnx.basics.errors import UserError
from dnnx.studies.claims import baseline, declared_verdicts

ARMS: dict[str, list[str]] = {"plain": [], "bn": ["net.norm=batch"]}


def study(claims: Any = None, **others: Any) -> dict[str, Any]:
    return {"arms": ARMS, "claims": claims, "verdicts": [], "baseline": None, "reference": None} | others


@pytest.mark.parametrize(
    "claims",
    [
        {"test/accuracy": ["bn > plain"], "val/loss": ["bn < plain"]},
        {"test/accuracy": "bn > plain", "val/loss": ["bn<plain"]},
        [{"test/accuracy": ["bn > plain"]}, {"val/loss": ["bn < plain"]}],
        ["test/accuracy: bn > plain", "val/loss: bn < plain"],
        {"test/accuracy": [{"claim": "bn > plain"}], "val/loss": [{"claim": "bn < plain", "ask": None}]},
    ],
)
def test_every_spelling_of_a_claim_asks_the_same(claims: Any) -> None:
    assert declared_verdicts(study(claims)) == [
        {"ask": "Is bn more accurate than plain?", "metric": "test/accuracy", "arm": "bn", "than": "plain"}
        | {"expect": "higher"},
        {"ask": "Is the val loss of bn lower than that of plain?", "metric": "val/loss", "arm": "bn", "than": "plain"}
        | {"expect": "lower"},
    ]


def test_a_claim_may_compare_two_metrics_of_one_arm() -> None:
    [verdict] = declared_verdicts(study({"mc/ece": ["bn < test/ece of bn"]}))
    assert (verdict["arm"], verdict["than"], verdict["than_metric"]) == ("bn", "bn", "test/ece")
    assert verdict["ask"] == "Is the mc ece of bn lower than the test ece of bn?"


def test_a_claim_may_declare_below_which_difference_arms_are_the_same() -> None:
    [verdict] = declared_verdicts(study({"test/accuracy": [{"claim": "bn > plain", "same": 0.5}]}))
    assert verdict["same"] == 0.5


@pytest.mark.parametrize(
    ("metric", "same", "says"),
    [
        ("test/accuracy", -0.1, "study.claims.test/accuracy.same=-0.1: a margin is a number above 0, in points"),
        ("test/accuracy", 0, "same=0: a margin is a number above 0"),
        ("test/accuracy", 100, "same=100: a margin is below 100 points"),
        ("convergence/epochs", 150, "same=150: a margin is below 100 percent"),
        ("epoch/best", "two", "same=two: a margin is a number above 0, in the unit of epoch/best"),
        ("test/loss", float("nan"), "same=nan: a margin is a number above 0, in percent"),
    ],
)
def test_a_margin_that_is_none_is_a_one_line_error(metric: str, same: Any, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)) as error:
        declared_verdicts(study({metric: [{"claim": "bn > plain", "same": same}]}))
    assert "\n" not in str(error.value)
    old = {"ask": "?", "metric": metric, "arm": "bn", "than": "plain", "expect": "lower", "same": same}
    with pytest.raises(UserError, match=re.escape(f"study.verdicts.same={same}")):
        declared_verdicts(study(verdicts=[old]))


def test_claims_come_before_verdicts_and_keep_their_own_words() -> None:
    old = {"ask": "Old?", "metric": "val/loss", "arm": "bn", "than": "plain", "expect": "lower"}
    verdicts = declared_verdicts(study({"test/f1": [{"claim": "bn > plain", "ask": "New?"}]}, verdicts=[old]))
    assert [verdict["ask"] for verdict in verdicts] == ["New?", "Old?"]
    assert verdicts[1] == old


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"test/accuracy": ["plan > bn"]}, "plan is none of the arms plain, bn; did you mean plain?"),
        ({"test/accuracy": ["bn higher plain"]}, "/accuracy=bn higher plain: a claim such as 'bn > plain', or 'bn <"),
        ({"test/accuracy": [3]}, "/accuracy=3: a claim such as"),
        ({"test/accuracy": [{"ask": "why?"}]}, "/accuracy=['ask']: a written-out claim has the keys"),
        (["bn > plain"], "study.claims=bn > plain: it names no metric; write it and two arms with > or <, such as"),
        ("bn better than plain", "write it and two arms with > or <, such as 'test/accuracy: bn > plain'"),
        (3, "study.claims=3: a mapping such as"),
    ],
)  # fmt: skip
def test_an_invalid_claim_is_a_one_line_error(claims: Any, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)) as error:
        declared_verdicts(study(claims))
    assert "\n" not in str(error.value)


def test_baseline_and_its_older_name_mean_the_same() -> None:
    assert baseline(study(baseline="bn")) == baseline(study(reference="bn")) == "bn"
    assert baseline(study()) is None
    with pytest.raises(UserError, match=r"type study\.baseline=plain instead"):
        baseline(study(baseline="bn", reference="plain"))


def test_a_question_of_before_is_asked_in_the_same_words() -> None:
    verdicts = declared_verdicts(compose("+exp=optimizers").study)
    assert verdicts[2] == {
        "ask": "Is a momentum of 0.99999 less accurate than 0.9?",
        "metric": "test/accuracy", "arm": "heavy", "than": "momentum", "expect": "lower",
    }  # fmt: skip


def test_an_arm_is_not_compared_with_itself() -> None:
    with pytest.raises(UserError, match=re.escape("test/accuracy=bn > bn: it compares an arm with itself; name two")):
        declared_verdicts(study({"test/accuracy": "bn > bn"}))
    [verdict] = declared_verdicts(study({"mc/accuracy": "bn > test/accuracy of bn"}))
    assert verdict["than_metric"] == "test/accuracy"
