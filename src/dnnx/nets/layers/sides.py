"""Check that the sides of an image can be halved often enough, as a segmentation net needs it."""

from collections.abc import Sequence

from dnnx.basics.errors import require


def check_sides(in_shape: Sequence[int], multiple: int) -> None:
    """Raise UserError unless both sides of an image [C, H, W] are multiples of `multiple`; name a size that is."""
    told = "a segmentation net needs images [channels, height, width]"
    require(len(in_shape) == 3, "net", tuple(in_shape), told)
    _, height, width = in_shape
    near = [max(multiple, round(side / multiple) * multiple) for side in (height, width)]
    told = f"both sides must be multiples of {multiple}; type data.resize=[{near[0]},{near[1]}], or fewer net.channels"
    require(height % multiple == 0 == width % multiple, "net", f"images of {height} x {width}", told)
