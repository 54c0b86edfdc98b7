"""TensorBoard sees every run once, the newest ones only, and what is new or gone while it runs."""

import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from torch.utils.tensorboard import SummaryWriter

from dnnx.runs.board import link, main, newest_runs
from dnnx.runs.latest import link_latest


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """An outputs folder with three runs of two experiments, one a shard, and the links `latest`."""
    outputs = tmp_path / "outputs"
    for age, run in enumerate(("b/2/plain", "b/2/plain/shards/0-4", "a/1")):
        with SummaryWriter(str(outputs / run)) as writer:
            writer.add_scalar("loss/val", 0.5, 1)
        for file in (outputs / run).glob("events*"):
            os.utime(file, (1000 - age, 1000 - age))
    link_latest(outputs / "b" / "2")
    link_latest(outputs / "a" / "1")
    return outputs


def runs_of(logdir: Path) -> set[str]:
    return set(EventMultiplexer().AddRunsFromDirectory(str(logdir)).Reload().Runs())


def test_tensorboard_itself_shows_a_run_twice(outputs: Path) -> None:
    """The reason for the folder of links: remove it when this fails."""
    assert "a/latest" in runs_of(outputs)


def test_every_run_is_seen_once(outputs: Path, tmp_path: Path) -> None:
    link(outputs, tmp_path / "board", newest=40)
    assert runs_of(tmp_path / "board") == {"a/1", "b/2/plain", "b/2/plain/shards/0-4"}


def test_the_newest_runs_are_those_written_last(outputs: Path, tmp_path: Path) -> None:
    assert newest_runs(outputs)[0] == outputs / "b" / "2" / "plain"
    link(outputs, tmp_path / "board", newest=1)
    assert runs_of(tmp_path / "board") == {"b/2/plain"}


def test_a_new_run_appears_and_an_old_one_leaves_room_for_it(outputs: Path, tmp_path: Path) -> None:
    board = tmp_path / "board"
    link(outputs, board, newest=3)
    with SummaryWriter(str(outputs / "c" / "3")) as writer:
        writer.add_scalar("loss/val", 0.5, 1)
    link(outputs, board, newest=3)
    assert runs_of(board) == {"c/3", "b/2/plain", "b/2/plain/shards/0-4"}
    assert not (board / "a").exists()


def test_an_embedding_is_seen_too(outputs: Path, tmp_path: Path) -> None:
    (outputs / "a" / "1" / "projector_config.pbtxt").write_text("")
    (outputs / "a" / "1" / "00000").mkdir()
    (outputs / "a" / "1" / "results.json").write_text("{}")
    link(outputs, tmp_path / "board", newest=40)
    seen = {path.name for path in (tmp_path / "board" / "a" / "1").iterdir()}
    assert {"projector_config.pbtxt", "00000"} < seen
    assert "results.json" not in seen


@pytest.mark.parametrize(
    ("words", "says"), [(["gone"], "folder=gone"), ([".", "no"], "runs=no"), ([".", "0"], "runs=0")]
)
def test_a_mistake_is_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert says in capsys.readouterr().err
