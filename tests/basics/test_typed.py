"""The command as it was typed is kept for environment.json, without passwords and keys."""

import json
from pathlib import Path

import pytest
from commands import typed

from dnnx.basics.typed import masked, typed_command, typing


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("net.hidden=[100,100]", "net.hidden=[100,100]"),
        ("storage=postgresql://ann:p@ss/w:rd@host:5432/db", "storage=postgresql://ann:***@host:5432/db"),
        ("storage=sqlite:///tune.db", "storage=sqlite:///tune.db"),
        ("storage=${oc.env:TUNE_DB}", "storage=${oc.env:TUNE_DB}"),
        ("+logger.wandb.api_key=abc123", "+logger.wandb.api_key=***"),
        ("+logger.wandb.api_key=${oc.env:KEY}", "+logger.wandb.api_key=${oc.env:KEY}"),
        ("+logger.x={_target_: L, password: abc, name: a}", "+logger.x={_target_: L, password: ***, name: a}"),
        ("+logger.x.token='a b,c'", "+logger.x.token=***"),
        ("+logger.x.private_key=top secret", "+logger.x.private_key=***"),
        ("net.pad_token=0", "net.pad_token=0"),
    ],
)  # fmt: skip
def test_a_secret_is_masked_and_nothing_else(word: str, kept: str) -> None:
    assert masked(word) == kept


def test_the_words_are_kept_inside_and_forgotten_after() -> None:
    before = typed_command()
    with typing("train", ["+exp=dense5", "seeds=[1, 2]"]):
        assert typed_command() == "python -m dnnx.train +exp=dense5 'seeds=[1, 2]'"
    assert typed_command() == before


def test_a_study_and_its_resume_record_what_was_typed_in_every_arm(tmp_path: Path) -> None:
    (tmp_path / "mine/exp").mkdir(parents=True)
    (tmp_path / "mine/exp/two.yaml").write_text(
        "# @package _global_\nname: two\nstudy:\n  arms: {a: ['net.hidden=[4]'], b: ['net.hidden=[5]']}\n"
        "data: {source: digits}\ntrainer: {max_epochs: 1, accelerator: cpu}\nseeds: 2\n"
    )
    words = ("--config-dir", "mine", "+exp=two", "jobs=1", "~callbacks.progress")
    assert typed("train", *words, cwd=tmp_path) == (0, "")
    for arm in "ab":
        found = json.loads((tmp_path / "outputs/two/latest" / arm / "environment.json").read_text())
        assert found["command"] == "python -m dnnx.train --config-dir mine +exp=two jobs=1 '~callbacks.progress'"
    assert found["command"] in (tmp_path / "outputs/two/latest/report.md").read_text()
