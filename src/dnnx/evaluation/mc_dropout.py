"""MC dropout (Gal & Ghahramani 2016): scores of the mean of many passes with dropout on."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from dnnx.basics.console import console
from dnnx.evaluation import calibration
from dnnx.nets.dense import DenseNet
from dnnx.nets.layers.dropout import Dropout
from dnnx.training.dropout_on import dropout_layers, require_dropout

RELIABILITY = "reliability.json"  # the curves of the diagram, from which those of more seeds are made
ROWS, ROWS_CUDA = 1024, 16384  # images times passes in one batch; results do not depend on it
MAX_NUMBERS = 2**25  # numbers of the inputs of all replicas in one batch; the layers' outputs are some times as many


# Unit and direction of each score.
SCORES: dict[str, tuple[str, str | None]] = {
    "accuracy": ("%", "higher"),
    **dict.fromkeys(("nll", "brier", "ece"), ("", "lower")),
}
SCORES |= dict.fromkeys(("entropy", "mutual_information"), ("", None))
ABOUT: dict[str, dict[str, str | None]] = {
    f"{split}/{name}": {"unit": unit, "better": better}
    for split in ("test", "mc", "ensemble")
    for name, (unit, better) in SCORES.items()
}


@torch.no_grad()
def predict(module: Any, batches: Any, num_images: int, passes: int) -> tuple[Tensor, Tensor]:
    """Return the mean probabilities [R, N, C] of the passes and the mean entropy [R, N] of single passes, in float64.

    Only dropout is active, also in frozen layers. A mask depends on the net's key, the pass and the image alone.
    """
    module.eval()
    depth, layers = _blocks_beneath(module.replicas.net), dropout_layers(module)
    mean, spread, first = [], [], 0
    shown = track(batches, "MC dropout", console=console, transient=True, disable=not console.is_terminal)
    for x, axis, most in _pieces(module, shown):
        module.to(x.device)
        module.start = 0
        images = torch.arange(first, first := first + x.shape[axis], device=x.device)
        if depth:  # lower blocks have no dropout, so they are equal in every pass
            x, axis = module(x, stop=depth), 1
        module.start = depth
        sums: list[Tensor] = [torch.zeros((), device=x.device), torch.zeros((), device=x.device)]
        for some in torch.arange(passes, device=x.device).split(max(1, most // len(images))):
            for layer in layers:
                layer.rows = (some[:, None] * num_images + images).flatten()
            times = [len(some) if i == axis else 1 for i in range(x.dim())]
            logits = module(x.repeat(*times))
            p = logits.double().softmax(-1).unflatten(1, (len(some), len(images)))
            sums = [sums[0] + p.sum(1), sums[1] + calibration.entropy(p).sum(1)]
        mean.append(sums[0] / passes)
        spread.append(sums[1] / passes)
    module.start = 0
    for layer in layers:
        layer.rows = None
    return torch.cat(mean, dim=1), torch.cat(spread, dim=1)


def _pieces(module: Any, batches: Any) -> Iterator[tuple[Tensor, int, int]]:
    """Yield parts of the images [B, ...] or [R, B, ...] with the axis B, and how many images may be in one batch."""
    for x, *_ in batches:
        axis = 0 if x.dim() == 1 + len(module.in_shape) else 1
        numbers = module.replicas.num_replicas * x[(0,) * (axis + 1)].numel()
        most = max(1, min(ROWS_CUDA if x.is_cuda else ROWS, MAX_NUMBERS // numbers))
        for part in x.split(max(most, MAX_NUMBERS // numbers), axis):
            yield part, axis, most


def measure(module: Any, data: Any, survived: list[bool], passes: int) -> tuple[dict[str, list], dict[str, dict]]:
    """Return scores on the test set and reliability: of one pass, of MC dropout, and of the ensemble.

    `test` scores one deterministic pass per seed, `mc` the mean of `passes` stochastic ones, `ensemble` the mean over
    the deterministic seeds. `time/mc_s` is the time of the stochastic passes. A diverged seed has None.

    `mutual_information` (BALD, Houlsby et al. 2011), in nats, is the entropy of the mean minus the mean entropy of its
    parts: how much passes, or seeds, disagree.
    """
    require_dropout(module, passes)
    logits, y = module.predict(data.eval_dataloader("test"))
    once = logits.double().softmax(-1)
    started = time.perf_counter()
    mc, mc_entropy = predict(module, data.eval_dataloader("test"), len(y), passes)
    mc.sum().item()  # waits for the GPU
    seconds = time.perf_counter() - started
    results: dict[str, list] = {"time/mc_s": [seconds if ok else None for ok in survived]}
    curves = {}
    for name, p, single in (("test", once, None), ("mc", mc, mc_entropy)):
        scores, curves[name] = score(name, p, single, y, survived)
        results |= scores
    scores, curves["ensemble"] = score_ensemble(once, y, survived)
    return results | scores, curves


def score_ensemble(once: Tensor, y: Tensor, survived: list[bool]) -> tuple[dict[str, list], dict[str, list]]:
    """Return scores `ensemble/*` and reliability of the mean of the seeds' probabilities [R, N, C] without dropout."""
    counts = any(survived)  # if every seed diverged, the scores are None
    alive = once[torch.tensor(survived, device=once.device)] if counts else once
    entropy = calibration.entropy(alive).mean(0, keepdim=True)
    return score("ensemble", alive.mean(0, keepdim=True), entropy, y, [counts])


def score(
    name: str, p: Tensor, single: Tensor | None, y: Tensor, counts: list[bool]
) -> tuple[dict[str, list], dict[str, list]]:
    """Return the scores `name`/* of probabilities [R, N, C], None for a seed that does not count, and reliability.

    Reliability is over the seeds that count. `single` is the mean entropy [R, N] of the parts whose mean p is.
    """
    scores = calibration.scores(p, y)
    if single is not None:
        scores["mutual_information"] = scores["entropy"] - single.mean(-1)
    results = {
        f"{name}/{score}": [value if ok else None for value, ok in zip(values.tolist(), counts, strict=True)]
        for score, values in scores.items()
    }
    images, confidence, correct = calibration.reliability(p, y)[:, counts].sum(1).tolist()
    return results, {"images": images, "confidence": confidence, "correct": correct}


def draw(curves: dict[str, dict], folder: Path) -> None:
    """Write the reliability diagram to `folder`/mc_dropout.svg and .png."""
    from dnnx.reports.figures import drawing, reliability

    drawing.save(partial(reliability.draw, curves), folder, "mc_dropout")


def _blocks_beneath(net: Any) -> int:
    """Return the number of hidden blocks below the lowest dropout, if the net can start from a block; else 0."""
    if not isinstance(net, DenseNet) or isinstance(net.input_dropout, Dropout):
        return 0
    dropped = [any(isinstance(part, Dropout) for part in block.modules()) for block in net.hidden_layers]
    return dropped.index(True)
