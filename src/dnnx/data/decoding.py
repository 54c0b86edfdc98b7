"""Decode image files: modes, sizes, and errors that name the file."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dnnx.basics.errors import UserError, message_of, require

MAX_SIDE = 4096
MODES = {1: "L", 3: "RGB"}  # by the number of channels
DEEP = ("I", "F", "I;16", "I;16B", "I;16L")  # modes of more than 8 bits; a conversion would clip their numbers


def pixels_of(name: str, contents: bytes, mode: str, size: Sequence[int] | None = None) -> np.ndarray:
    """Return the pixels of an image file, uint8 [channels, H, W], resized to `size` [height, width] if it is given."""
    image = decode(name, contents, mode)
    if size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    pixels = pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)
    return pixels.copy()


def mode_of(contents: bytes) -> str:
    """Return the mode of an image file that can be decoded, for example L or RGB."""
    return Image.open(io.BytesIO(contents)).mode


def told_size(sides: Sequence[int]) -> str:
    """Return height and width in words."""
    return f"{sides[0]} x {sides[1]}"


def decode(name: str, contents: bytes, mode: str = "RGB", exact: bool = False) -> Image.Image:
    """Return an image in `mode`, upright by the camera's EXIF tag.

    Raise UserError if it is unreadable or has more than 8 bits per channel; with `exact` if its mode is another, save
    that a palette of L is read as its numbers.
    """
    try:
        image = Image.open(io.BytesIO(contents))
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "no known format" if unknown else message_of(error)
        reason = reason.replace(str(name), name.rpartition("/")[2])
        raise UserError(f"{name}: it cannot be read as an image ({reason})") from None
    if image.mode in DEEP or (exact and image.mode not in (mode, "P")):
        told = f"8 bits in {'one channel' if mode == 'L' else 'each channel'} are needed"
        raise UserError(f"{name}: it has the mode {image.mode}; {told}")
    return image if exact else ImageOps.exif_transpose(image).convert(mode)


def check_size(size: Sequence[int] | None) -> None:
    """Raise UserError unless `size` is None, or a height and a width in pixels."""
    valid = size is None or (len(size) == 2 and all(type(side) is int and 1 <= side <= MAX_SIDE for side in size))
    told = f"null, or height and width up to {MAX_SIDE} pixels, for example data.resize=[64,64]"
    require(valid, "data.resize", size, told)
