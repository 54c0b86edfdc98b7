"""The user's own source files: those of a run are in environment.json, and a change is said before seeds are added."""

import json
from pathlib import Path

import pytest
from commands import typed

from dnnx.config.source_files import changed_files, own_code

NET = """
from torch import nn
class Own(nn.Sequential):
    def __init__(self, in_shape, num_outputs):
        super().__init__(nn.Flatten(), nn.Linear(64, num_outputs))
"""
DOUBT = "own_source.py has changed since this run began: old and new seeds may be of different code"


def test_a_changed_file_is_said_when_seeds_are_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own_source.py").write_text(NET)
    words = ["net._target_=own_source.Own", "data.source=digits", "trainer.max_epochs=1", "paths.outputs=out"]
    again = ["resume=out/train/latest", "packages=[own_source]"]
    assert typed("train", *words, "seeds=1", cwd=tmp_path) == (0, "")
    assert typed("train", *again, "seeds=2", cwd=tmp_path) == (0, "")
    assert "has changed" not in capsys.readouterr().out
    (tmp_path / "own_source.py").write_text(f"{NET}# another line\n")
    assert typed("train", *again, "seeds=3", cwd=tmp_path) == (0, "")
    assert capsys.readouterr().out.count(DOUBT) == 1
    saved = json.loads((tmp_path / "out/train/latest/environment.json").read_text())
    assert saved["own_code"].count("own_source.py") == 2, "both versions stand in the union"


def test_only_files_of_the_user_with_another_content_have_changed(tmp_path: Path) -> None:
    assert own_code({"net": {"_target_": "dnnx.nets.dense.DenseNet"}, "sampler": {"_target_": "yaml.Loader"}}) == ""
    (tmp_path / "environment.json").write_text(json.dumps({"own_code": f"a.py {'0' * 16}, p/b.py {'1' * 16}"}))
    assert changed_files(f"a.py {'0' * 16}, p/b.py {'2' * 16}, c.py {'3' * 16}", tmp_path) == ["p/b.py"]
    assert changed_files(f"p/b.py {'2' * 16}", tmp_path / "shards/seed1") == ["p/b.py"]
    assert changed_files("", tmp_path) == []
