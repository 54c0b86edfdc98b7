"""`--cfg job` prints the config with the comments of conf/ and the options of each group."""

from pathlib import Path

import pytest
import yaml
from commands import compose, typed
from omegaconf import OmegaConf


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["net=lenet"],
            ["seeds: 5  # a number n (seeds 0 to n-1), or a list such as [3,7]", "net:  # one of alexnet, "],
        ),
        (
            ["data=california"],
            ["  missing: error  # an empty cell: error, drop (the row), or"],
        ),
        (["+technique=pruning"], ["    sparsity: null  # share of each weight tensor to set to zero"]),
        (["+exp=dropout"], ["name: dropout", "    patience: "]),
    ],
)
def test_keys_have_their_comments(
    words: list[str], lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("train", *words, "--cfg", "job", cwd=tmp_path) == (0, "")
    said = capsys.readouterr().out
    assert all(line in said for line in lines), said
    assert yaml.safe_load(said) == OmegaConf.to_container(compose(*words))
    assert not list(tmp_path.iterdir())
