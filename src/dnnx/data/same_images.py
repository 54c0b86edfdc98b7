"""Refuse a test set that is the training set again: its scores would say nothing."""

import numpy as np

from dnnx.basics.errors import UserError


def require_other_images(place: str, train: np.ndarray, test: np.ndarray) -> None:
    """Raise UserError if each test image [N, ...] is one of the training images. `place` names the files."""
    known = {hash(image.tobytes()) for image in train}
    if len(test) and all(hash(image.tobytes()) in known for image in test):
        raise UserError(
            f"{place}: each of the {len(test):,} test images is one of the training images too; "
            "give test images that no network was trained with"
        )
