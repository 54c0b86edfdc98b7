"""A tiny backbone on the bundled digits, and transfer runs from it in this process."""

from pathlib import Path

from commands import compose

from dnnx.train import train

HIDDEN = [12, 11, 10, 9, 8]
TINY = ["data.source=digits", "~callbacks.progress"]


def make_backbone(folder: Path, *overrides: str) -> Path:
    """Three seeds with batch norm and dropout everywhere, so that a network has every kind of parameter and buffer."""
    train(
        compose(
            "+exp=dense5", *TINY, f"net.hidden={HIDDEN}".replace(" ", ""), "net.norm=batch", "net.dropout=0.2",
            "net.input_dropout=0.1", "seeds=3", "trainer.max_epochs=2", *overrides,
        ),
        folder,
    )  # fmt: skip
    return folder


def transfer(backbone: Path, *overrides: str) -> list[str]:
    """Return the overrides of a run of two seeds and four epochs from `backbone`."""
    few = ["data.train_per_class=20", "data.val_per_class=10", "data.batch_size=16"]
    groups = ["data=mnist59", "net=backbone", "+technique=pretrained", f"backbone={backbone}", *TINY]
    return [*groups, *few, "seeds=2", "trainer.max_epochs=4", *overrides]
