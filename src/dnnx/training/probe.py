"""Probe: find out with one small batch whether a network can be trained as replicas, and in which way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, is_out_of_memory, require
from dnnx.basics.seeding import derive, generator
from dnnx.config.own_lines import own_lines_of
from dnnx.training.batched import make_batched
from dnnx.training.batched_functions import NO_FORM, blamed
from dnnx.training.unseen import require_gradient, require_numbers, require_saved
from dnnx.training.ways import ALONE, DRAWS, RUN, Batch, beside_cpu, build_net, stack, state_of

NUM_EXAMPLES = 8
TOLERANCE = 1e-3  # largest deviation of a number, as a share of the largest number in its tensor
JITTER = 0.1  # in deviations of a weight; makes branches visible that start at zero

Outcome = dict[str, Tensor]  # results of replicas by name, each [R, ...]


class MismatchError(Exception):
    """One line with the number of the replicas that differs from the network alone."""


@dataclass(frozen=True)
class Finding:
    """The way to run the replicas, why earlier ways were refused, and whether forward draws random numbers itself."""

    way: str
    refused: Mapping[str, str] = field(default_factory=dict)
    draws: bool = False


def find_way(build: Callable[[], nn.Module], seeds: Sequence[int], ways: Sequence[str], x: Tensor) -> Finding:
    """Return the first of `ways` in which the first and the last replica compute the same as their networks alone.

    Outputs, gradients and buffers are compared in evaluation and training mode, on newly built networks. x [B, ...] is
    a batch of one network. Raise UserError if no way computes the same, or if the network cannot be a replica: its
    forward fails, returns no tensor [B, ...], changes its input, or depends on the other examples of the batch.
    """
    seeds = [seeds[0], seeds[-1]]
    with _undisturbed(x.device):
        x = x[:NUM_EXAMPLES].clone()
        [alone] = _networks(build, seeds[:1], x)
        name, draws = _check_alone(alone, x)
        require_saved(alone, build_net(build, seeds[0] + 1).to(x.device), x)
        streams = [derive(seed, "forward", 0) for seed in seeds] if draws else None
        asked, ways = ways, [way for way in ways if way in (ALONE, "loop") or not draws]
        require(
            bool(ways), "replicas", asked[0],
            f"{DRAWS.replace('forward', f'forward of {name}')}; type replicas=loop",
        )  # fmt: skip
        if ways == [ALONE]:
            return Finding(ALONE, {}, draws)
        batch = Batch(torch.stack([x, x.flip(0)]), streams=streams)
        expected = _alone(_networks(build, seeds, x), x, batch)
        if any(value.isnan().any() for value in expected.values()):  # the net's own, or only near its weights
            require_numbers(name, _alone([build_net(build, seed).to(x.device) for seed in seeds], x, batch))
        refused: dict[str, str] = {}
        for way in ways:
            net = stack(_networks(build, seeds, x))
            net = make_batched(net) if way == "batched" else net
            try:
                _compare(expected, _together(net, way, x, batch), seeds)
            except MismatchError as mismatch:
                refused[way] = _reason(str(mismatch), net)
            else:
                return Finding(way, refused, draws)
    raise UserError(_in_no_way(name, refused))


def _reason(mismatch: str, net: nn.Module) -> str:
    """Return why a way is refused, with the functions that may be the cause where outputs already differ."""
    told = NO_FORM in mismatch or mismatch.startswith(("gradient", "buffer"))
    return mismatch if told else f"{mismatch}{blamed(net)}"


def _in_no_way(name: str, refused: Mapping[str, str]) -> str:
    (way, why), *others = refused.items()
    if others:
        told = "; ".join(f"{way}: {why}" for way, why in refused.items())
        return f"net={name}: in no way its replicas compute as the network alone; {told}; type seeds=1"
    return f"replicas={way}: {why}; type replicas=auto"


@contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """Compute with gradients and in full precision; leave the global random streams unchanged."""
    cudnn = torch.backends.cudnn
    flags = {"enabled": cudnn.enabled, "benchmark": False, "deterministic": True, "allow_tf32": False}
    with (
        torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False),
        torch.random.fork_rng(beside_cpu(device)), cudnn.flags(**flags),
    ):  # fmt: skip
        yield


@torch.no_grad()
def _networks(build: Callable[[], nn.Module], seeds: Sequence[int], x: Tensor) -> list[nn.Module]:
    nets = [build_net(build, seed) for seed in seeds]
    for net, place in zip(nets, range(len(nets)), strict=True):
        draw = generator(place, "probe")
        for weight in net.parameters():
            spread = weight.std(correction=0).item() or 0.2
            weight.add_(torch.randn(weight.shape, generator=draw).to(weight) * (JITTER * spread))
    return [net.to(x.device) for net in nets]


# --- the network alone


@torch.no_grad()
def _check_alone(net: nn.Module, x: Tensor) -> tuple[str, bool]:
    """Return the net's name and whether its forward draws random numbers. Raise UserError if it cannot be a replica."""
    name, num, before = type(net).__name__, len(x), x.clone()
    streams = _streams(x.device)
    out = _called(net.eval(), x)
    require(
        isinstance(out, Tensor), "net", name, f"its forward returns a {type(out).__name__}; return one tensor, the "
        "outputs of the batch",
    )  # fmt: skip
    require(
        out.dim() > 0 and len(out) == num, "net", name,
        f"its forward returns {list(out.shape)} for {num} examples; the first axis must be the examples",
    )  # fmt: skip
    require(torch.equal(x, before), "net", name, "its forward changes its input in place, and so the data; copy it")
    drawn = not _equal(streams, _streams(x.device))
    require(
        not drawn, "net", name, "its forward draws random numbers in evaluation mode too; give F.dropout "
        "training=self.training",
    )  # fmt: skip
    if num > 1:
        half = _called(net, x[: num // 2].clone())
        off = "another shape" if half.shape[1:] != out.shape[1:] else _difference(out[: num // 2], half)
        require(
            off is None, "net", name, "its forward depends on the other examples of the batch, so that no seed and no "
            f"test result would be its own: of {num // 2} examples {off} with the other {num - num // 2}",
        )  # fmt: skip
        with torch.enable_grad():
            require_gradient(net, _called(net.train(), x.clone()))
    return name, not _equal(streams, _streams(x.device)) or any(map(_drops_inside, net.modules()))


def _called(net: nn.Module, x: Tensor) -> Any:
    try:
        return net(x)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        told = f"its forward fails on a batch {list(x.shape)}: {_line(error)}{own_lines_of(error, type(net))}"
        raise UserError(f"net={type(net).__name__}: {told}") from error


def _streams(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _equal(these: Sequence[Tensor], those: Sequence[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(these, those, strict=True))


def _drops_inside(layer: nn.Module) -> bool:
    """Return whether a layer is recurrent with dropout inside, whose masks cuDNN draws itself."""
    return isinstance(layer, nn.RNNBase) and layer.dropout > 0 and layer.num_layers > 1


# --- alone and together


def _alone(nets: Sequence[nn.Module], x: Tensor, batch: Batch) -> Outcome:
    evaluated = torch.stack([_called(net.eval(), x) for net in nets])
    outputs = []
    for r, net in enumerate(nets):
        with batch.stream(r):
            outputs.append(_called(net.train(), batch.of(r)) if len(x) > 1 else evaluated[r])
    states = [state_of(net) for net in nets]
    trained = _differentiated(torch.stack(outputs))
    return _outcome(evaluated, trained, {name: [state[name] for state in states] for name in states[0]})


def _together(net: nn.Module, way: str, x: Tensor, batch: Batch) -> Outcome:
    num = len(batch.x)
    try:
        evaluated = RUN[way](net.eval(), num, Batch(x.clone(), shared=True))
        trained = RUN[way](net.train(), num, batch) if len(x) > 1 else evaluated
        if not isinstance(trained, Tensor):
            raise MismatchError(f"the output is a {type(trained).__name__}")
        trained = _differentiated(trained)
    except MismatchError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        told = _line(error)
        raise MismatchError(told if NO_FORM in told else f"forward fails: {told.rstrip('.')}") from error
    return _outcome(evaluated, trained, {name: [value] for name, value in state_of(net).items()})


def _differentiated(out: Tensor) -> Tensor:
    if out.requires_grad:
        weights = torch.randn(out.shape, generator=generator(0, "probe", "loss")).to(out)
        (out * weights).sum().backward()
    return out


def _outcome(evaluated: Tensor, trained: Tensor, states: Mapping[str, Sequence[Tensor]]) -> Outcome:
    outcome = {"output in evaluation": evaluated.detach(), "output in training": trained.detach()}
    for name, values in states.items():
        if values[0].requires_grad:
            values = [torch.zeros_like(value) if value.grad is None else value.grad for value in values]
        kind = "gradient of" if isinstance(states[name][0], nn.Parameter) else "buffer"
        outcome[f"{kind} {name}"] = values[0] if len(values) == 1 else torch.stack(list(values)).detach()
    return outcome


def _compare(expected: Outcome, found: Outcome, seeds: Sequence[int]) -> None:
    """Raise MismatchError with the first number that differs."""
    gradients = [value.abs().max() for name, value in expected.items() if name.startswith("gradient") and value.numel()]
    most = torch.stack(gradients).max().item() if gradients else 0.0
    for name, value in expected.items():
        if value.shape != found[name].shape:
            shapes = f"{list(found[name].shape[1:])} instead of {list(value.shape[1:])}"
            raise MismatchError(f"{name} has the shape {shapes}")
        for r, seed in enumerate(seeds):
            off = _difference(value[r], found[name][r], most if name.startswith("gradient") else None)
            if off:
                raise MismatchError(f"{name}{off} in the network alone (seed {seed})")


def _difference(expected: Tensor, found: Tensor, scale: float | None = None) -> str | None:
    """Return `[index] is a number and not another` for the largest difference, or None if all are close."""
    if expected.numel() == 0:
        return None
    one, other = expected.double(), found.double()
    off = (one - other).abs().nan_to_num(torch.inf).where(~(one.isnan() & other.isnan()) & (one != other), 0.0)
    largest = one.abs().nan_to_num(0.0, 0.0).max().item() if scale is None else scale
    if off.max().item() <= TOLERANCE * largest:
        return None
    index = [int(axis) for axis in torch.unravel_index(off.argmax(), off.shape)]
    return f"{index or ''} is {other[(*index,)].item():.4g}, and {one[(*index,)].item():.4g}"


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
