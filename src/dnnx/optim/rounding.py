"""Where torch's fused CPU kernels change their rounding, kept in place when replicas leave a tensor.

Such a kernel takes a tensor in groups of WIDTH numbers and the rest one by one, which rounds otherwise. A number so has
other bits at the end of a tensor than elsewhere; here each keeps the way in which it was taken when all were there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

WIDTHS = {"AVX512": 16, "AVX2": 8}
WIDTH = WIDTHS.get(torch.backends.cpu.get_cpu_capability(), 1)  # float32 numbers of a vector


def single(values: Tensor) -> int:
    """Return how many numbers at the end of a tensor the kernel takes one by one."""
    return values.numel() % WIDTH if values.device.type == "cpu" and values.dtype == torch.float32 else 0


def single_left(values: Tensor, was_single: int, places: Sequence[int]) -> int:
    """Return how many of the numbers that were taken one by one are in the rows of values [R, ...] at these places."""
    size = values[0].numel()
    first = values.numel() - was_single
    return sum(max(0, (place + 1) * size - max(first, place * size)) for place in places)


class Parts:
    """A parameter, its averages and its gradient as a kernel shall take them, in parts that together have all numbers.

    The last `was_single` numbers are taken one by one, all others in vectors. Numbers that fill no vector are copied
    into `vectors`, and back after the step. `tensors` are the parameter and its averages, which stay where they are.
    """

    def __init__(self, tensors: Sequence[Tensor], was_single: int):
        flat = [tensor.view(-1) for tensor in tensors]
        end = len(flat[0]) - was_single
        start = end - end % WIDTH
        self.places = [tensor.data_ptr() for tensor in tensors]
        self.ranges = [part for part in (slice(0, start), slice(end, None)) if len(flat[0][part])]
        self.parts = [[tensor[part] for tensor in flat] for part in self.ranges]
        self.rest = slice(start, end) if start < end else None
        if self.rest:
            *vectors, self.vector = torch.zeros(len(flat) + 1, WIDTH).unbind()
            self.parts.append(vectors)
            self.sources, self.copies = ([tensor[part] for tensor in tensors] for tensors, part in (
                (flat, self.rest), (vectors, slice(0, end - start)),
            ))  # fmt: skip
            self.copy = self.vector[: end - start]

    def are_of(self, tensors: Sequence[Tensor]) -> bool:
        """Return whether they are made of these tensors, and not of those before a checkpoint was loaded."""
        return self.places == [tensor.data_ptr() for tensor in tensors]

    def of(self, gradient: Tensor) -> list[Tensor]:
        """Return the parts of the gradient of this step, and copy whatever fills no vector."""
        flat = gradient.reshape(-1)
        parts = [flat[part] for part in self.ranges]
        if self.rest:
            torch._foreach_copy_([self.copy, *self.copies], [flat[self.rest], *self.sources])
            parts.append(self.vector)
        return parts

    def write(self) -> None:
        """Copy the numbers back that fill no vector, after the step."""
        if self.rest:
            torch._foreach_copy_(self.sources, self.copies)
