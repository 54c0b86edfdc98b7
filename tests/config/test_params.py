"""Settings of a tuning as overrides of a run: typed ones win, bad files are one line."""

from pathlib import Path
from typing import Any

import pytest
from commands import command, compose
from omegaconf import OmegaConf

from dnnx.basics.errors import UserError
from dnnx.config.params import as_overrides, read_params
from dnnx.config.resume import load_config

BEST = "net.hidden: [7, 7]\nnet.norm: null\nnet.activation: relu\noptimizer.betas: [0.8, 0.9]\noptimizer.lr: 1.0e-05\n"


def test_every_kind_of_value_arrives() -> None:
    settings = {
        "net.hidden": [7, 7], "net.norm": None, "optimizer.betas": [0.8, 0.9], "optimizer.lr": 1e-5,
        "optimizer": "adamw", "net.activation": "it's, a=b", "optimizer.amsgrad": True,
    }  # fmt: skip
    cfg = compose("+exp=dense5", *as_overrides(settings))
    assert (cfg.net.hidden, cfg.net.norm, cfg.optimizer.betas) == ([7, 7], None, [0.8, 0.9])
    assert (cfg.optimizer.lr, cfg.optimizer.amsgrad, cfg.net.activation) == (1e-5, True, "it's, a=b")
    assert cfg.optimizer._target_ == "dnnx.optim.fused_adam.FusedAdam"
    assert cfg.optimizer.decoupled_weight_decay


WORDS = ("/daten/münchen.csv", r"C:\data\x.csv", "it's", 'say "yes"', "a, b=[c]", "end\\", "1e-3", "true", "null", "")


@pytest.mark.parametrize("word", WORDS)
def test_every_text_arrives_as_it_is(word: str) -> None:
    settings = {"data.file": word, "data.class_names": [word, {"a": word}], "net.activation": word, "name": word}
    cfg: Any = OmegaConf.to_container(compose("data=npz", "net=dense5", *as_overrides(settings)), resolve=False)
    assert (cfg["data"]["file"], cfg["net"]["activation"], cfg["name"]) == (word, word, word)
    assert cfg["data"]["class_names"] == [word, {"a": word}]


def test_the_command_line_wins_over_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "best.yaml").write_text(BEST)
    overrides = read_params(tmp_path / "best.yaml", ["+exp=dense5", "optimizer.lr=0.5", "++net.norm=batch"])
    assert overrides == ["++net.hidden=[7, 7]", "++net.activation='relu'", "++optimizer.betas=[0.8, 0.9]"]


@pytest.mark.slow
def test_a_run_and_an_arm_take_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "best.yaml").write_text(BEST)
    done = command(
        "train", "+exp=dropout", "+debug=smoke", "params=best.yaml", "arm=dropout", "net.activation=elu", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    cfg = load_config(tmp_path / "outputs" / "dropout" / "latest" / "dropout", "run")
    assert (cfg.net.hidden, cfg.net.activation, cfg.net.dropout, cfg.optimizer.lr) == ([7, 7], "elu", 0.1, 1e-5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "params=.*: there is no such file"),
        ("a: [", "params=.*: not readable YAML"),
        ("- 1", "it must map keys"),
        ("", "it must map keys"),
        ("net: {hidden: [7]}", "it must map keys"),
        ("a b: 1", "it must map keys"),
        ("root:x:0:0:root:/root\ndaemon:x:1:1", "params=[^ ]*: it must map keys such as optimizer.lr to values; give"),
    ],
)
def test_a_bad_settings_file_is_a_one_line_error(text: str | None, says: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "best.yaml").write_text(text)
    with pytest.raises(UserError, match=says) as error:
        read_params(tmp_path / "best.yaml", [])
    assert "\n" not in str(error.value)


def test_the_option_of_a_group_may_stand_beside_its_keys(tmp_path: Path) -> None:
    best = tmp_path / "best.yaml"
    best.write_text("net.hidden: [3]\nnet: dense5\n")
    assert read_params(best, []) == ["++net.hidden=[3]", "net='dense5'"]
    best.write_text("net: [{_target_: evil.X}]\nnet.a: 3\n")
    with pytest.raises(UserError, match="the folder names this code"):
        read_params(best, [])
