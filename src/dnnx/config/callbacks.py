"""The callbacks of a config; null stands for none."""

from omegaconf import DictConfig

from dnnx.basics.errors import require, shown


def chosen_callbacks(cfg: DictConfig) -> dict[str, DictConfig]:
    """Return the callbacks of a config by name, without those that are null. Raise UserError for any other value."""
    for name, callback in cfg.callbacks.items():
        told = f"null for none, or a class and its arguments: callbacks.{name}._target_=..."
        require(callback is None or isinstance(callback, DictConfig), f"callbacks.{name}", shown(callback), told)
    return {str(name): callback for name, callback in cfg.callbacks.items() if callback is not None}


def require_callbacks(cfg: DictConfig, *names: str) -> dict[str, DictConfig]:
    """Return the callbacks of a config. Raise UserError unless those of these names are among them."""
    callbacks = chosen_callbacks(cfg)
    for name in names:
        never = "to stop no seed early, type callbacks.early_stopping.patience=1000"
        told = f"every run needs it; {never if name == 'early_stopping' else 'leave this out'}"
        require(name in callbacks, f"callbacks.{name}", "null", told)
    return callbacks
