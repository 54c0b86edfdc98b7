"""Source: the images, labels and facts that every source of images returns."""

from dataclasses import dataclass, field

import numpy as np

from dnnx.basics.errors import UserError


@dataclass(frozen=True)
class Source:
    """Images uint8 [N, channels, H, W] and labels uint8 [N]; the first `num_val` of train are for validation."""

    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_val: int
    class_names: list[str]
    note: str
    warning: str = ""  # why another source replaces the requested one
    files: dict[str, str] = field(default_factory=dict)  # name -> SHA-256, uncompressed


class MissingData(UserError):
    """The data is not on this disk and cannot be downloaded."""
