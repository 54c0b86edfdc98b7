"""Functions in a user's forward for R networks at once: axes, shapes and pooling of a net written for one batch.

Such a forward says `x.flatten(1)`, `x.mean((2, 3))` or `F.max_pool2d(x, 2)` of images [B, C, H, W]. Here x is
[R, B, C, H, W], and the same words get the results of each network. The probe compares them with the network alone.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache, wraps
from typing import Any, Self

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dnnx.basics.errors import is_out_of_memory
from dnnx.config.own_lines import blame_caller
from dnnx.training.batched_errors import error_alone, of_first
from dnnx.training.batched_layers import Batched, fold, unfold

AXES: dict[str, tuple[int, ...]] = {  # the places of a function's axes among its arguments
    **dict.fromkeys(
        (
            "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "cat", "concat", "cumsum", "flip",
            "gather", "index_select", "log_softmax", "logsumexp", "max", "mean", "min", "narrow", "prod", "select",
            "softmax", "sort", "stack", "std", "sum", "unbind", "unflatten", "unsqueeze", "var",
        ), (1,),
    ),
    **dict.fromkeys(("flatten", "movedim", "swapaxes", "swapdims", "transpose"), (1, 2)),
    **dict.fromkeys(("chunk", "cosine_similarity", "diff", "norm", "roll", "split", "topk"), (2,)),
}  # fmt: skip
AXIS_KEYWORDS = ("axis", "dim", "dim0", "dim1", "end_dim", "start_dim")
SIZED = ("expand", "reshape", "view")
POOLING = (
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
    "avg_pool2d", "max_pool1d", "max_pool2d",
)  # fmt: skip
BY_EXAMPLE = ("interpolate", "local_response_norm", "pad", "pixel_shuffle", "pixel_unshuffle")


class OfReplicas(TorchFunctionMode):
    """Within it every tensor [R, ...] looks like the tensor [...] of one network.

    `reshaping` collects the names of further functions whose result has another shape than their first argument.

    A function that fails for one network too raises the error of that one, as the user's. One that torch does not
    compute for R networks raises RuntimeError with its name.
    """

    def __init__(self, reshaping: set[str], num: int):
        super().__init__()
        self.reshaping, self.num = reshaping, num

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        try:
            if (told := SHAPES.get(func)) is not None:
                return told(*args, **kwargs)
            if (form := FORMS.get(name)) is not None:
                return form(func, *args, **kwargs)
            out = func(*args, **_shifted_keywords(kwargs))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            one = error_alone(lambda: func(*of_first(args, self.num), **of_first(kwargs, self.num)))
            if one is not None:
                raise one from None
            lacking = RuntimeError(f"forward calls {name}, which {NO_FORM}")
            raise (lacking if name in FORMS else blame_caller(lacking)) from error
        if isinstance(out, Tensor) and args and out.shape != getattr(args[0], "shape", out.shape):
            self.reshaping.add(name)
        return out


NO_FORM = "has no form for several networks at once; use a layer of torch.nn in its place"


class WrittenForOne(Batched):
    """A net whose own forward takes one batch [B, ...]; its layers are batched ones."""

    reshaping: set[str]

    @classmethod
    def of(cls, layer: nn.Module) -> Self:
        made = super().of(layer)
        made.reshaping = set()
        return made


@cache
def written_for_one(kind: Any) -> Any:
    """Return the batched form of a class of nets, under the same name and with the same arguments of forward."""

    @wraps(kind.forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        with OfReplicas(self.reshaping, len(args[0])) if self.whole else nullcontext():
            return kind.forward(self, *args, **kwargs)

    own = {name: vars(kind)[name] for name in ("in_order",) if name in vars(kind)}  # read from the net's own class
    return type(kind.__name__, (WrittenForOne, kind), {**own, "forward": forward, "__module__": kind.__module__})


def blamed(net: nn.Module) -> str:
    """Return a half sentence on the functions that may be why a batched net differs from the network alone."""
    if not isinstance(net, WrittenForOne):
        return ""
    names = sorted(net.reshaping)
    return (
        f"; forward calls {' and '.join(names)}, which {NO_FORM}" if names else "; build forward of layers of torch.nn"
    )


# --- forms


def _shifted(axis: Any) -> Any:
    """Return an axis, or several, behind the axis of the replicas. Anything else is returned as it is."""
    if isinstance(axis, tuple | list):
        return [_shifted(one) for one in axis]
    return axis + 1 if type(axis) is int and axis >= 0 else axis


def _shifted_keywords(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _shifted(value) if name in AXIS_KEYWORDS else value for name, value in kwargs.items()}


def _along(places: tuple[int, ...]) -> Callable[..., Any]:
    def form(func: Any, *args: Any, **kwargs: Any) -> Any:
        own = [_shifted(value) if place in places else value for place, value in enumerate(args)]
        return func(*own, **_shifted_keywords(kwargs))

    return form


def _sized(func: Any, x: Tensor, *sizes: Any, **kwargs: Any) -> Tensor:
    flat = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    if any(type(size) is not int for size in flat):
        return func(x, *sizes, **kwargs)  # a view of another type of numbers
    return x.expand(len(x), *flat) if func.__name__ == "expand" else x.reshape(len(x), *flat)


def _permuted(func: Any, x: Tensor, *dims: Any, **kwargs: Any) -> Tensor:
    flat = kwargs.get("dims", dims[0] if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims)
    return x.permute(0, *_shifted(tuple(flat)))


def _indexed(func: Any, x: Tensor, index: Any, *value: Any) -> Any:
    return func(x, (slice(None), *(index if isinstance(index, tuple) else (index,))), *value)


def _by_channel(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return unfold(func(fold(x), *args, **kwargs), len(x))


def _by_example(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return func(x.flatten(0, 1), *args, **kwargs).unflatten(0, x.shape[:2])


def _squeezed(func: Any, x: Tensor, *axes: Any, **kwargs: Any) -> Tensor:
    if axes or kwargs:
        return _along((1,))(func, x, *axes, **kwargs)
    return x.squeeze(tuple(axis for axis in range(1, x.dim()) if x.shape[axis] == 1))


def _repeated(func: Any, x: Tensor, *sizes: Any) -> Tensor:
    return x.repeat(1, *(sizes[0] if isinstance(sizes[0], tuple | list) else sizes))


def _size(x: Tensor, dim: int | None = None) -> Any:
    return x.shape[1:] if dim is None else x.shape[1:][dim]


FORMS: dict[str, Callable[..., Any]] = {
    **{name: _along(places) for name, places in AXES.items()},
    **dict.fromkeys(SIZED, _sized),
    **dict.fromkeys(POOLING, _by_channel),
    **dict.fromkeys(BY_EXAMPLE, _by_example),
    **dict.fromkeys(("__getitem__", "__setitem__"), _indexed),
    "bmm": lambda func, x, y: x @ y,
    "permute": _permuted,
    "repeat": _repeated,
    "squeeze": _squeezed,
}
SHAPES: dict[Any, Callable[..., Any]] = {
    Tensor.shape.__get__: _size,  # type: ignore[attr-defined]
    Tensor.size: _size,
    Tensor.__len__: lambda x: x.shape[1],
    Tensor.ndim.__get__: lambda x: x.dim() - 1,  # type: ignore[attr-defined]
    Tensor.dim: lambda x: x.dim() - 1,
}
