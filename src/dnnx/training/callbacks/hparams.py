"""The settings and final values of a run, as TensorBoard's HPARAMS tab shows them."""

from typing import Any

from omegaconf import DictConfig

from dnnx.config.explain import flatten
from dnnx.config.secrets import public


def settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings that distinguish runs in TensorBoard's HPARAMS tab: experiment, arm and settings by group.

    Secrets are `***`.
    """
    flat = flatten(public(cfg))
    shown = {key: value for key, value in flat.items() if key.startswith(("net.", "optimizer.", "scheduler.", "data."))}
    shown = {"exp": cfg.get("name"), "arm": cfg.get("arm"), **shown}
    return {key: value if isinstance(value, int | float | str) else str(value) for key, value in shown.items()}


def finals(metrics: dict[str, list]) -> dict[str, float]:
    """Return the final values beside those settings: means over seeds of the metrics without a curve."""
    finals = {}
    for name, values in metrics.items():
        numbers = [value for value in values if isinstance(value, int | float)]
        if numbers and name.startswith(("test/", "mc/", "ensemble/", "epoch/", "time/")):
            finals[name] = sum(numbers) / len(numbers)
    return finals
