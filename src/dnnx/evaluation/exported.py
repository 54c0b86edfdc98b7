"""Exported: the networks of a run with their preprocessing as one module, and its files."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.export import Dim

from dnnx.basics.errors import UserError, message_of, require
from dnnx.basics.seeding import generator
from dnnx.evaluation.saved import as_input
from dnnx.evaluation.trained import FAILURES, Trained
from dnnx.runs.files import write_atomic
from dnnx.runs.tensors import as_bytes

SIZES = (2, 5, 1)  # batches that a file is checked with; the first one is traced
TOLERANCE = 1e-4  # of outputs in float32, relative to the largest
DTYPES = {"uint8": torch.uint8, "int64": torch.int64, "float32": torch.float32}
MEAN, SCALE = "input.mean", "input.scale"  # beside the weights in a .safetensors file
INPUT, OUTPUT = "x", "predictions"  # the names in a file of ONNX; no operator of torch has that of the output


class Exported(nn.Module):
    """Raw inputs [N, ...] to probabilities [N, C], or to outputs [N, ...]: the mean over the networks of a run."""

    def __init__(self, run: Trained):
        super().__init__()
        self.nets, self.task, self.has_classes = nn.ModuleList(run.nets), run.task, run.has_classes
        self.is_uint8 = run.preprocessing.dtype == "uint8"
        self.num_scalings = 0
        for i, scaling in enumerate(run.scalings):
            if scaling is not None:
                self.register_buffer(f"mean{i}", scaling[0])
                self.register_buffer(f"scale{i}", scaling[1])
                self.num_scalings = i + 1

    def forward(self, x: Tensor) -> Tensor:
        x = x.float() / 255 if self.is_uint8 else x
        predicted = [self.of_net(i, net, x) for i, net in enumerate(self.nets)]
        return torch.stack(predicted).mean(0)

    def of_net(self, i: int, net: nn.Module, x: Tensor) -> Tensor:
        """Return the probabilities or outputs of one network."""
        if self.num_scalings:
            x = (x - self.get_buffer(f"mean{i}")) / self.get_buffer(f"scale{i}")
        outputs = self.task.read(net(x)) if self.task is not None else net(x)
        return outputs.softmax(-1) if self.has_classes else outputs


def made_up(run: Trained, num: int) -> Tensor:
    """Return random inputs [num, *in_shape] in the type and range of the training examples."""
    shape, dtype = (num, *run.facts["in_shape"]), run.preprocessing.dtype
    told = "the shape of its inputs is unknown, so it cannot be exported; export your LightningModule by torch.export"
    require(bool(run.facts["in_shape"]), "run", run.folder, told)
    draw = generator(0, "export", num)
    if dtype != "float32":
        high = 256 if dtype == "uint8" else max(2, len(run.facts["class_names"]))
        return torch.randint(0, high, shape, generator=draw).to(DTYPES[dtype])
    x = torch.randn(shape, generator=draw)
    scaling = run.scalings[0]
    return x if scaling is None else x * scaling[1] + scaling[0]


def described(run: Trained) -> dict[str, str]:
    """Return the facts of an exported file, as text."""
    facts = {
        "inputs": f"{run.preprocessing.dtype} [N, {', '.join(map(str, run.facts['in_shape']))}]",
        "outputs": "probabilities of the classes" if run.has_classes else run.preprocessing.target or "outputs",
        "classes": run.facts["class_names"],
        "seeds": list(run.seeds),
        "reader": run.preprocessing.reader.__dict__,
    }
    return {name: fact if isinstance(fact, str) else json.dumps(fact) for name, fact in facts.items()}


def signature(run: Trained, form: str) -> str:
    """Return the input and the output of a file of this format in words, with their types and shapes."""
    is_plain, x = form == "safetensors", made_up(run, 1)
    dtype, kind = run.preprocessing.dtype, described(run)["outputs"]
    notes = [] if dtype != "uint8" else ["pixels 0 to 1" if is_plain else "pixels 0 to 255"]
    if is_plain:
        notes += [] if run.scalings[0] is None else [f"standardized by {MEAN} and {SCALE}"]
        dtype = "float32" if dtype == "uint8" else dtype
    with torch.no_grad():
        y = run.nets[0](as_input(x)) if is_plain else run.predict(x)[0]
    if run.has_classes:
        kind = "logits" if is_plain else "probabilities"
    names = (f" as `{INPUT}`", f" as `{OUTPUT}`") if form == "onnx" else ("", "")
    told = f" ({', '.join(notes)})" if notes else ""
    return f"takes {dtype} {_shape(x)}{told}{names[0]}, returns {kind} {_shape(y)}{names[1]}"


def _shape(x: Tensor) -> str:
    return f"[{', '.join(['N', *map(str, x.shape[1:])])}]"


def checked(run: Trained, outputs_of: Callable[[Tensor], Tensor]) -> float:
    """Return the largest difference of a file's outputs from those of the run. Raise UserError if it is too large."""
    gap, top = 0.0, 0.0
    for num in SIZES:
        x = made_up(run, num)
        ours = run.predict(x).mean(0).double()
        gap = max(gap, (outputs_of(x).double() - ours).abs().max().item())
        top = max(top, ours.abs().max().item())
    told = f"the outputs of the exported file differ from those of the run by {gap:.2g}, so it is not kept"
    if not gap <= TOLERANCE * max(top, 1e-6):
        raise UserError(f"run={run.folder}: {told}")
    return gap


@contextmanager
def tracing(run: Trained) -> Iterator[None]:
    """Turn the errors of tracing a network into one line, and silence the notes of the exporters."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except Exception as error:  # torch.export and torch.onnx raise errors of many types
        reason = message_of(error, 300)
        raise UserError(f"run={run.folder}: its network cannot be exported; type format=safetensors for its weights "
                        f"({type(error).__name__}: {reason})") from None  # fmt: skip


def traced(run: Trained) -> Any:
    """Return the networks of a run as a program of torch.export, for any number of examples."""
    return torch.export.export(Exported(run).eval(), (made_up(run, SIZES[0]),), dynamic_shapes=({0: Dim.DYNAMIC},))


def write_pt2(run: Trained, path: Path) -> float:
    """Write the file of torch.export; return the largest difference of its outputs."""
    gaps: list[float] = []

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            torch.export.save(traced(run), file, extra_files={"dnnx.json": json.dumps(described(run))})
        with beside.open("rb") as file:
            program = torch.export.load(file).module()
        gaps.append(checked(run, program))

    with tracing(run), torch.no_grad():
        write_atomic(path, write)
    return gaps[0]


def write_onnx(run: Trained, path: Path) -> float:
    """Write the file of ONNX, with the input `x` and the output `predictions`; return the largest difference.

    The file is checked by the reference implementation of the package onnx.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    gaps: list[float] = []

    def write(beside: Path) -> None:
        program = torch.onnx.export(
            traced(run), (made_up(run, SIZES[0]),), dynamo=True, verbose=False, input_names=[INPUT],
            output_names=[OUTPUT],
        )  # fmt: skip
        assert program is not None
        model = program.model_proto
        onnx.helper.set_model_props(model, described(run))
        onnx.checker.check_model(model)
        beside.write_bytes(model.SerializeToString())
        evaluator = ReferenceEvaluator(onnx.load_model_from_string(beside.read_bytes()))
        gaps.append(checked(run, lambda x: torch.from_numpy(next(iter(evaluator.run(None, {INPUT: x.numpy()}))))))

    with tracing(run), torch.no_grad():
        write_atomic(path, write)
    return gaps[0]


def write_safetensors(run: Trained, path: Path) -> float:
    """Write the weights of one network by their names in it, with mean and scale of its inputs; return the difference
    of the outputs of a network that is filled with them.
    """
    state, scaling = run.nets[0].state_dict(), run.scalings[0]
    tensors = state if scaling is None else state | {MEAN: scaling[0], SCALE: scaling[1]}
    gaps: list[float] = []

    def write(beside: Path) -> None:
        beside.write_bytes(as_bytes(tensors, described(run)))
        again = Trained(run.cfg, run.folder, run.seeds)
        with safe_open(beside, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        again.nets[0].load_state_dict({name: found[name] for name in state})
        if scaling is not None:
            again.preprocessing.scaling, again.preprocessing.per_seed = (found[MEAN], found[SCALE]), False
        gaps.append(checked(run, lambda x: again.predict(x).mean(0)))

    try:
        write_atomic(path, write)
    except FAILURES as error:
        raise UserError(f"run={run.folder}: {message_of(error, 300)}") from None
    return gaps[0]


WRITERS: dict[str, Callable[[Trained, Path], float]] = {
    "onnx": write_onnx,
    "pt2": write_pt2,
    "safetensors": write_safetensors,
}
