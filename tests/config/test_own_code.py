"""A class of the user's is typed like any option: the keys that it replaces fall away, its own are taken."""

from pathlib import Path

import hydra
import pytest
from commands import typed
from omegaconf import DictConfig, OmegaConf

from dnnx.config.own_code import own_targets
from dnnx.config.paths import CONF

NET = ["net._target_=my_nets.SmallNet", "net.width=8"]
TINY = ["data.source=digits", "seeds=2", "trainer.max_epochs=2"]
MY_NETS = """
from math import prod
from torch import nn

class SmallNet(nn.Module):
    def __init__(self, in_shape, num_outputs, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(prod(in_shape), width), nn.ReLU(), nn.Linear(width, num_outputs)
        )

    def forward(self, x):
        return self.layers(x)
"""


def composed(*arguments: str, name: str = "train", folders: tuple[str, ...] = ()) -> DictConfig:
    words = own_targets(arguments, name, folders)
    assert own_targets(words, name, folders) == words, "retyping twice changes nothing"
    paths = ",".join(f"file://{folder}" for folder in folders)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(name, [*words, f"hydra.searchpath=[{paths}]"])


def test_the_keys_of_the_replaced_net_fall_away_and_those_that_were_typed_stay() -> None:
    assert composed(*NET).net == {"_target_": "my_nets.SmallNet", "width": 8}
    assert composed("net.width=8", "net._target_=my_nets.SmallNet", "net.norm=3").net == {
        "width": 8, "_target_": "my_nets.SmallNet", "norm": 3,
    }  # fmt: skip
    assert composed("+exp=pairs", *NET).net == {"_target_": "my_nets.SmallNet", "width": 8}, "of an experiment too"


@pytest.mark.parametrize("group", ["data", "net", "task", "optimizer", "scheduler"])
def test_every_group_can_be_a_class_of_the_users(group: str) -> None:
    found = composed("+exp=dense5", f"{group}._target_=mine.Thing", f"{group}.size=3")
    assert found[group] == {"_target_": "mine.Thing", "size": 3}
    assert composed("module._target_=mine.Lit", "module.size=3").module == {"_target_": "mine.Lit", "size": 3}
    assert composed("sampler._target_=mine.Sampler", name="tune").sampler == {"_target_": "mine.Sampler"}


def test_a_callback_or_technique_is_added_and_one_there_is_replaced() -> None:
    found = composed("+callbacks.mine._target_=my.C", "+callbacks.mine.a=1", "techniques.x._target_=my.T")
    assert found.callbacks.mine == {"_target_": "my.C", "a": 1}
    assert found.techniques == {"x": {"_target_": "my.T"}}
    assert found.callbacks.early_stopping.patience == 20
    assert composed("callbacks.early_stopping._target_=my.E").callbacks.early_stopping == {"_target_": "my.E"}


def test_what_conf_names_keeps_its_keys() -> None:
    typed_words = ["net._target_=dnnx.nets.dense.DenseNet", "seeds=3", "net.dropout=0.1"]
    assert own_targets(typed_words, "train") == typed_words


def test_an_arm_goes_on_from_what_was_typed_or_chooses_an_option_instead() -> None:
    words = own_targets(["+exp=bn_vs_plain", *NET], "train")
    assert composed(*words, "net.width=16").net == {"_target_": "my_nets.SmallNet", "width": 16}
    assert composed(*words, "net._target_=my_nets.Other").net == {"_target_": "my_nets.Other", "width": 8}
    assert composed(*words, "net=dense20").net == composed("+exp=bn_vs_plain", "net=dense20").net


def test_a_sweep_keeps_its_values_and_a_mistake_is_left_to_hydra() -> None:
    words = own_targets(["-m", "net._target_=my.A,my.B", "net.width=8,16", "seeds=2"], "train")
    assert words == ["-m", "net=[]", "++net._target_=my.A,my.B", "++net.width=8,16", "seeds=2"]
    assert "++net._target_=my.A" in own_targets(["+exp=absent", "net._target_=my.A"], "train")


def test_a_config_of_the_users_names_a_class_in_its_body_or_as_an_option(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    (tmp_path / "net").mkdir()
    (tmp_path / "exp/mine.yaml").write_text(
        "# @package _global_\nname: mine\nnet: {_target_: my_nets.SmallNet, width: 8}\n"
    )
    (tmp_path / "net/own_small.yaml").write_text("_target_: my_nets.SmallNet\nwidth: 4\n")
    folders = (str(tmp_path),)
    assert composed("+exp=mine", folders=folders).net == {"_target_": "my_nets.SmallNet", "width": 8}
    assert composed("+exp=mine", "net.depth=2", folders=folders).net.depth == 2
    assert composed("net=own_small", "net.depth=2", folders=folders).net == {
        "_target_": "my_nets.SmallNet", "width": 4, "depth": 2,
    }  # fmt: skip
    assert "hidden" in composed("+exp=dense5", folders=folders).net


def run(*arguments: str, cwd: Path) -> str:
    code, said = typed("train", *TINY, *arguments, cwd=cwd)
    assert code == 0, said
    return said


def test_a_net_an_optimizer_and_a_metric_of_the_users_train_and_are_measured(tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(MY_NETS)
    own = [*NET, "optimizer._target_=torch.optim.RAdam", "optimizer.lr=1e-3"]
    run(*own, "+metrics.balanced=sklearn.metrics.balanced_accuracy_score", "name=own", cwd=tmp_path)
    (folder,) = (path for path in (tmp_path / "outputs/own").iterdir() if not path.is_symlink())
    config = OmegaConf.load(folder / "config.yaml")
    assert config.net == {"_target_": "my_nets.SmallNet", "width": 8}
    assert '"test/balanced"' in (folder / "results.json").read_text()


def test_a_sweep_over_two_keys_of_the_users_net_has_a_folder_for_each(tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(MY_NETS)
    run("-m", NET[0], "net.width=4,8", "name=swept", "jobs=1", cwd=tmp_path)
    (study,) = (path for path in (tmp_path / "outputs/swept").iterdir() if not path.is_symlink())
    assert {path.parent.name for path in study.glob("*/results.json")} == {"net.width-4", "net.width-8"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["net.widht=8"], "net.widht: there is no such key; did you mean net.width?"),
        (["net.hidden=[8]"], "net.hidden: there is no such key"),
        (["optimizer._target_=torch.optim.LBFGS"], "optimizer: LBFGS.step() missing"),
        (
            ["optimizer._target_=my_nets.SmallNet"],
            "optimizer._target_=my_nets.SmallNet: it is no torch.optim.Optimizer",
        ),
    ],
)
def test_a_mistake_is_named_and_nothing_is_left(words: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(MY_NETS)
    code, said = typed("train", *TINY, NET[0], *words, cwd=tmp_path)
    assert (code, says in said) == (2, True), said
    assert not list(tmp_path.rglob("config.yaml"))
