"""Values that no run can have are refused in one line, before torch is imported."""

from pathlib import Path

import pytest
import yaml
from commands import compose, python
from omegaconf import OmegaConf, open_dict

from dnnx.basics.errors import UserError
from dnnx.config.check import RANGES, check
from dnnx.nets.dense import DenseNet
from dnnx.optim.checks import build_optimizer

WRONG = {"optimizer.lr": -1, "net.dropout": 1.5, "net.input_dropout": -0.5}


@pytest.mark.parametrize("precision", ["16", "16-mixed", "16-true", "bf16-true", "64", "64-true", "transformer-engine"])
def test_a_precision_other_than_that_of_the_data_is_refused(precision: str) -> None:
    with pytest.raises(UserError, match=rf"trainer\.precision={precision}: type 32-true or bf16-mixed"):
        check(compose(f"+trainer.precision={precision}"))


@pytest.mark.parametrize("precision", ["32", "32-true", "bf16-mixed"])
def test_the_others_are_taken(precision: str) -> None:
    check(compose(f"+trainer.precision={precision}"))


@pytest.mark.parametrize("own", [[], ["+module={_target_: mine.Lit}", "~net", "~task"]])
def test_several_nodes_are_refused(own: list[str]) -> None:
    with pytest.raises(UserError, match=r"trainer\.num_nodes=2: only 1 is valid"):
        check(compose(*own, "+trainer.num_nodes=2"))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            "trainer.max_epochs: 20",
            r"trainer\.max_epochs=20: .* each level; write trainer: {max_epochs: 20}",
        ),
        ("optimizer.lrr: 1", r"optimizer\.lrr=1: .*write optimizer: {lrr: 1}"),
        ("task: regression", "task: regression: a file names it under defaults; write - override /task: regression"),
        ("task: regresion", "task=regresion: choose one of .*regression"),
    ],
)
def test_what_only_a_command_line_can_say_so_is_refused_in_a_file(lines: str, says: str) -> None:
    config = compose()
    with open_dict(config):
        config.merge_with(OmegaConf.create({key: yaml.safe_load(value) for key, value in [lines.split(": ")]}))
    with pytest.raises(UserError, match=says):
        check(config)


@pytest.mark.parametrize("key", RANGES)
def test_a_wrong_number_has_one_message(key: str) -> None:
    config = compose("+exp=dense5", f"{key}={WRONG[key]}")
    with pytest.raises(UserError) as early:
        check(config)
    build = {
        "optimizer.lr": lambda: build_optimizer(config.optimizer, 1),
        "net.dropout": lambda: DenseNet(4, [3], 2, dropout=WRONG[key]),
        "net.input_dropout": lambda: DenseNet(4, [3], 2, input_dropout=WRONG[key]),
    }
    with pytest.raises(UserError) as late:
        build[key]()
    assert str(early.value) == str(late.value)


@pytest.mark.parametrize("words", ["+exp=dense5 optimizer.lr=-1", "+exp=bn_vs_plain optimizer.lr=0 jobs=2"])
def test_no_torch_is_imported_for_a_wrong_number(words: str, tmp_path: Path) -> None:
    code = f"""
import sys
sys.argv = ["dnnx.train", *{words.split()!r}]
from dnnx.train import main
try:
    main()
except SystemExit as end:
    print(end.code, "torch" in sys.modules)
"""
    done = python(code, tmp_path)
    assert done.stdout == "2 False\n", done.stdout + done.stderr
    assert done.stderr.startswith("error: optimizer.lr=")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_numbers_of_a_users_own_class_are_its_own() -> None:
    config = compose("+exp=dense5", "net.dropout=7")
    config.net._target_ = "my_nets.Net"
    check(config)
