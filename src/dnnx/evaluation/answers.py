"""Answers: the predictions of a run as a table, one row per example."""

import math
from typing import Any

import pandas as pd
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.data.readers.pictures import Pictures
from dnnx.data.readers.reader import Inputs
from dnnx.evaluation.saved import as_input
from dnnx.evaluation.trained import Trained

MAX_GAP = 90  # of the mean pixel, 0 to 255, from that of the training data


def answer_table(run: Trained, inputs: Inputs) -> pd.DataFrame:
    """Return the predictions for inputs.

    Classes have the columns class and probability (of the ensemble, the mean over seeds), spread (the standard
    deviation of that probability over seeds, nan for one seed), seeds (how many choose this class), p(<class>) for
    each class, and `seed <seed>`, the class that this seed chooses.
    Numbers have the mean over seeds, in the unit of the target, its spread, and the number of each seed.
    """
    predicted = run.predict(inputs.x).double()  # [S, N, ...]
    of_classes = run.has_classes and predicted.dim() == 3
    numbers = math.prod(run.preprocessing.target_shape) if run.task is not None else None
    is_number = not run.has_classes and predicted.dim() < 4 and numbers in (None, predicted[0, 0].numel())
    if not (of_classes or is_number):
        task = run.cfg.get("task", {}).get("_target_", "module").rpartition(".")[2]
        shape = "[N, " + ", ".join(map(str, predicted.shape[2:])) + "]"
        told = f"it predicts {shape} for N examples, no class or number for each"
        more = "; dnnx sample continues texts" if predicted.dim() == 4 and "level" in run.cfg.data else ""
        raise UserError(f"run={run.folder}: its task is {task}: {told}; use run.predict(x) in Python{more}")
    columns = _classes(run, predicted) if of_classes else _numbers(run, predicted)
    return pd.DataFrame({"input": inputs.names} | columns)


def doubt(run: Trained, inputs: Inputs) -> str:
    """Return a line of doubt about images much lighter or darker than those of the training data, or ""."""
    reader = run.preprocessing.reader
    if not isinstance(reader, Pictures) or reader.mean is None:
        return ""
    found = 255 * as_input(inputs.x).mean().item()
    if abs(found - reader.mean) < MAX_GAP:
        return ""
    told = f"much {'lighter' if found > reader.mean else 'darker'} than those of the training data"
    means = f"(mean pixel {found:.0f} against {reader.mean:.0f})"
    return f"these images are {told} {means}, so the answers may be wrong; are light and dark swapped?"


def _classes(run: Trained, p: Tensor) -> dict[str, Any]:
    """Return the columns for probabilities [S, N, C]."""
    mean, names = p.mean(0), run.facts["class_names"]
    best = mean.argmax(-1)
    of_best = p.gather(2, best[None, :, None].expand(len(p), -1, 1))[..., 0]  # [S, N]
    of_seeds = p.argmax(-1)  # [S, N]
    agree = (of_seeds == best).sum(0)
    return {
        "class": [names[i] for i in best.tolist()],
        "probability": mean.gather(1, best[:, None])[:, 0].numpy(),
        "spread": _spread(of_best).numpy(),
        "seeds": [f"{n} of {len(p)}" for n in agree.tolist()],
        **{f"p({name})": mean[:, i].numpy() for i, name in enumerate(names)},
        **{f"seed {seed}": [names[i] for i in own.tolist()] for seed, own in zip(run.seeds, of_seeds, strict=True)},
    }


def _numbers(run: Trained, outputs: Tensor) -> dict[str, Any]:
    """Return the columns for outputs [S, N] or [S, N, K]."""
    outputs = outputs[..., None] if outputs.dim() == 2 else outputs
    unit = getattr(run.task, "unit", "")
    target = f"{run.preprocessing.target or 'prediction'}{f' [{unit}]' if unit else ''}"
    columns: dict[str, Any] = {}
    of_seeds: dict[str, Any] = {}
    for i in range(outputs.shape[-1]):
        end = f" {i + 1}" if outputs.shape[-1] > 1 else ""
        columns |= {f"{target}{end}": outputs[..., i].mean(0).numpy(), f"spread{end}": _spread(outputs[..., i]).numpy()}
        of_seeds |= {f"seed {seed}{end}": own[:, i].numpy() for seed, own in zip(run.seeds, outputs, strict=True)}
    return columns | of_seeds


def _spread(values: Tensor) -> Tensor:
    """Return the standard deviation over seeds of values [S, N]; nan for one seed, which has none."""
    return values.std(0) if len(values) > 1 else values.new_full(values.shape[1:], math.nan)
