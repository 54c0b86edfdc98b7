"""Every arm of the studies of images trains, on made-up images and narrow nets."""

from pathlib import Path

import pytest
from commands import compose, slow_where
from made_up_images import grey_files, photos
from made_up_pets import pets
from omegaconf import open_dict

from dnnx.config.paths import experiment, options
from dnnx.train import train

STUDIES = [name for name in options("exp") if "/images/" in str(experiment(name))]
SMALL = ["seeds=2", "trainer.max_epochs=1", "jobs=1", "data.train_size=null"]
GREY = ["data.num_val=40", "data.batch_size=20"]
NARROW = "net.width=0.1"
# Words that make a study small; {root} is a folder of images.
WORDS = {
    "mnist_pooling": ["data=idx", "data.root={root}", *GREY, NARROW],
    "lenet": ["data.root={root}", *GREY],
    "bn_place_conv": ["data.root={root}", *GREY],
    "fashion_classics": ["data.root={root}", *GREY],
    "fashion_resnet": ["data.root={root}", *GREY],
    "batch_size": ["data.root={root}", *GREY, NARROW],
    "cnn_cifar10": ["data.source=synthetic", NARROW],
    "cats_dogs": ["data.root={root}", "data.batch_size=4", "net.width=0.05"],
    "cats_dogs_pretrained": ["data.root={root}", "data.batch_size=4", "data.resize=[32,32]", "data.pretrained=false"],
    "cats_dogs_finetuned": ["data.root={root}", "data.batch_size=4", "data.resize=[32,32]", "net.pretrained=false"],
    "pets": ["data.root={root}", "data.batch_size=2", "data.resize=[16,16]", NARROW],
}
AFTER = {  # words over those of an arm
    "batch_size": [*GREY, "optimizer.lr=0.01", "trainer.max_epochs=1"],
    "cats_dogs": ["trainer.max_epochs=1"],
}
LONG = set(WORDS) - {"pets"}  # several arms of a second or more


@pytest.mark.parametrize("name", slow_where(LONG, STUDIES))
def test_every_arm_trains(name: str, tmp_path: Path) -> None:
    make = pets if name == "pets" else photos if name.startswith("cats") else grey_files
    root = make(tmp_path / "images")
    for arm, overrides in compose(f"+exp={name}").study.arms.items():
        words = [word.format(root=root) for word in WORDS[name]]
        own = ["net.pretrained=false"] if "net=efficientnet_lite0" in overrides else []
        cfg = compose(f"+exp={name}", *SMALL, *words, f"arm={arm}", *overrides, *own, *AFTER.get(name, []))
        with open_dict(cfg):
            cfg.pop("lr_search", None)
        results = train(cfg, tmp_path / arm)
        assert results["epoch/last"] == [1, 1]


@pytest.mark.parametrize("name", STUDIES)
def test_a_small_size_of_every_study_composes(name: str) -> None:
    cfg = compose(f"+exp={name}", "+size=small")
    assert (cfg.seeds, cfg.trainer.max_epochs, cfg.data.train_size) == (2, 2, 200)
