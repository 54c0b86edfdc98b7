"""Groups of weights: those into each unit or filter, and those out of each unit or channel below."""

from torch import Tensor


def of_units(w: Tensor, stacked: bool) -> Tensor:
    """Return the weights into each unit or filter, [R, units, n], of a weight [R, out, in, ...].

    A weight that is not `stacked` is that of one network, [out, in, ...].
    """
    return (w if stacked else w[None]).flatten(2)


def of_inputs(w: Tensor, stacked: bool) -> Tensor:
    """Return the weights out of each input, unit or channel below, [R, inputs, n], of such a weight."""
    return (w if stacked else w[None]).transpose(1, 2).flatten(2)
