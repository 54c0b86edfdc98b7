"""The keys of Lightning's Trainer: its epochs, and the keys that a run fixes or refuses."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from dnnx.basics.errors import require, shown

MAX_EPOCHS = 100_000  # a higher number is a typing error


def require_trainer(
    trainer: DictConfig, fixed: Mapping[str, tuple[object, str]], refused: Sequence[str], told: str
) -> None:
    """Raise UserError for a wrong number of epochs, for another value of a fixed key, and for a refused key.

    `fixed` has the value of each key and the reason; `told` is the reason of the refused ones.
    """
    epochs = trainer.get("max_epochs")
    valid = type(epochs) is int and 1 <= epochs <= MAX_EPOCHS
    require(valid, "trainer.max_epochs", epochs, f"a whole number of at least 1, at most {MAX_EPOCHS:,}")
    for name, (value, why) in fixed.items():
        found = trainer.get(name)
        require(found == value, f"trainer.{name}", shown(found), f"only {str(value).lower()} is valid: {why}")
    for name in refused:
        require(name not in trainer, f"trainer.{name}", trainer.get(name), told)
