"""A claim on a metric that its arms cannot measure is an error in one line, before any arm is trained."""

from pathlib import Path

import pytest
from commands import SMOKE, compose, typed

from dnnx.basics.errors import UserError
from dnnx.studies.metric_names import check_metrics, names_of
from dnnx.train import train


def claim(metric: str, than_metric: str | None = None) -> dict[str, str]:
    return {"arm": "a", "than": "b", "metric": metric} | ({"than_metric": than_metric} if than_metric else {})


@pytest.mark.parametrize(
    "options", [[], ["mc_dropout=3", "net.dropout=0.1"], ["data=mnist_pairs", "task=pairs", "net=twin_tower"]]
)
def test_every_number_of_a_run_may_be_claimed(options: list[str], tmp_path: Path) -> None:
    cfg = compose("+debug=smoke", "data.source=digits", "trainer.max_epochs=1", *options)
    names = names_of(cfg)
    assert names is not None
    assert set(train(cfg, tmp_path / "run")) - names == {"seeds", "about"}


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("test/acuracy", "study.claims.test/acuracy: the arm a measures no such metric; did you mean test/accuracy"),
        ("convergence/epoch", "did you mean convergence/epochs"),
        ("val/f1", "study.claims.val/f1: the arm a measures no such metric"),
        ("zzz", "it measures test/"),
        ("test/mae", "the arm a measures no such metric; task="),
        ("dead/share", "study.claims.dead/share: a does not measure it; type callbacks=layer_statistics"),
        ("mc/accuracy", "the arm a measures no such metric"),
        (
            "epoch/val/los<0.1",
            "epoch/val/los<0.1: the arm a measures no such metric; did you mean val/loss",
        ),
        (
            "epoch/test/loss<0.1",
            "epoch/test/loss<0.1: the test set is measured once, after training; type epoch/val/loss<0.1",
        ),
        ("reached/test/accuracy>70", "test/accuracy is a share from 0 to 1; type reached/test/accuracy>0.7"),
    ],
)
def test_a_metric_that_no_arm_measures_names_near_misses(metric: str, says: str) -> None:
    cfg = compose(*SMOKE)
    for asked in (claim(metric), {**claim("test/loss", metric), "than": "a"}):
        with pytest.raises(UserError, match=r"^study\.claims") as told:
            check_metrics([asked], {"a": cfg})
        assert says in str(told.value)
        assert "\n" not in str(told.value)


def test_a_metric_that_an_arm_measures_is_accepted() -> None:
    own = compose(*SMOKE, "+metrics.balanced=sklearn.metrics.balanced_accuracy_score", "callbacks=layer_statistics")
    names = ("test/balanced", "dead/share", "convergence/seconds", "epoch/val/loss<0.1", "reached/test/loss<0.1")
    check_metrics([claim(name) for name in names], {"a": own, "b": own})


def test_a_margin_beyond_the_scale_of_a_metric_of_the_user_ends_before_training() -> None:
    own = compose(*SMOKE, "+metrics.balanced={_target_: sklearn.metrics.balanced_accuracy_score, unit: '%'}")
    wide = [{**claim("test/balanced"), "same": 150}]
    with pytest.raises(UserError, match=r"study.claims.test/balanced.same=150: a margin is below 100 points"):
        check_metrics(wide, {"a": own, "b": own})
    check_metrics([{**claim("test/balanced"), "same": 2}, {**claim("test/loss"), "same": 150}], {"a": own, "b": own})


def test_a_task_that_measures_for_itself_may_have_any_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "task_of_mine.py").write_text(
        "from dnnx.tasks.classification import Classification\nclass Mine(Classification):\n"
        "    def measure(self, outputs, y, **chosen):\n        return {'loss': 1.0, 'odd': 2.0}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    cfg = compose(*SMOKE)
    cfg.task = {"_target_": "task_of_mine.Mine"}
    check_metrics([claim("test/odd")], {"a": cfg, "b": cfg})


STUDY = """# @package _global_
name: wide
study:
  arms: {narrow: ["net.hidden=[4]"], wide: ["net.hidden=[8]"]}
  claims: {CLAIM}
data: {source: digits}
trainer: {max_epochs: 1, accelerator: cpu}
seeds: 2
"""


@pytest.mark.parametrize(
    ("claimed", "says"),
    [
        ("{test/acuracy: wide > narrow}", "did you mean test/accuracy"),
        ("{test/accuracy: wid > narrow}", "wid is none of the arms narrow, wide; did you mean wide?"),
    ],
)
def test_a_misspelt_claim_trains_nothing(claimed: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine/exp").mkdir(parents=True)
    (tmp_path / "mine/exp/wide.yaml").write_text(STUDY.replace("{CLAIM}", claimed))
    code, said = typed("train", "--config-dir", "mine", "+exp=wide", "jobs=1", cwd=tmp_path)
    assert (code, said.count("\n"), says in said) == (2, 1, True), said
    assert not (tmp_path / "outputs").exists()


def test_a_claim_on_what_a_lightning_module_does_not_log_ends_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples")
    (tmp_path / "mine/exp").mkdir(parents=True)
    arms = STUDY.replace("net.hidden=[4]", "module.hidden=4").replace("net.hidden=[8]", "module.hidden=8")
    arms = arms.replace("data: {source: digits}\n", "").replace("{CLAIM}", "{test/ac: wide > narrow}")
    (tmp_path / "mine/exp/wide.yaml").write_text(arms)
    mine = ("module._target_=lightning_module.DigitsLitModule", "data._target_=lightning_module.DigitsDataModule")
    code, said = typed("train", "--config-dir", "mine", "+exp=wide", *mine, "jobs=1", cwd=tmp_path)
    assert code == 2
    assert "error: study.claims.test/ac: the arm wide measures no such metric; did you mean test/acc" in said
    assert not list(tmp_path.glob("outputs/wide/*/*/metrics.csv"))
