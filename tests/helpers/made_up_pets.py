"""Made-up pets: images of a bright square on a dark ground, with trimaps, in the folders of Oxford-IIIT Pet."""

from pathlib import Path

import numpy as np
from PIL import Image


def pets(root: Path, n: int = 12, size: tuple[int, int] = (20, 16)) -> Path:
    """Write `n` images with trimaps: a bright square on a dark ground with a border."""
    rng = np.random.default_rng(0)
    for folder in ("images", "annotations/trimaps"):
        (root / folder).mkdir(parents=True)
    for i in range(n):
        mask = np.full(size, 2, np.uint8)
        top = int(rng.integers(1, 6))
        mask[top : top + 10, 2:12] = 3
        mask[top + 2 : top + 8, 4:10] = 1
        pixels = np.array([0, 200, 40, 120], np.uint8)[mask][..., None] + rng.integers(0, 30, (*size, 3)).astype(
            np.uint8
        )
        Image.fromarray(pixels).save(root / "images" / f"cat_{i}.jpg")
        Image.fromarray(mask).save(root / "annotations" / "trimaps" / f"cat_{i}.png")
    for name, rows in (("trainval", range(n - 3)), ("test", range(n - 3, n))):
        lines = [f"cat_{i} 1 1 1" for i in rows]
        (root / "annotations" / f"{name}.txt").write_text("\n".join([*lines, "absent_1 1 1 1"]))
    return root
