"""Folds for cross-validation as replicas: each fold has its own rows of the training and validation examples."""

import copy
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.basics.seeding import generator
from dnnx.data.weights import example_weights


def make_folds(data: Any, folds: int, seed: int) -> Any:
    """Return a data module like `data`, with one replica per fold and no test examples.

    The training and validation examples of `data` are divided into folds. If each seed has its own examples, those of
    the first seed are used. Replica r trains on all folds except the r-th and is validated on the r-th.
    """
    require(getattr(data, "foldable", True), "data", type(data).__name__, f"folds are of images, not of {data.items}")
    told = "views of one image would be in training and validation folds; type data.views=1"
    require(getattr(data, "views", 1) == 1, "data.views", getattr(data, "views", 1), told)
    parts = [_of_first_seed(data, split) for split in ("train", "val")]
    x, y = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    most = len(y) // 2
    valid = type(folds) is int and 2 <= folds <= most
    require(valid, "folds", folds, f"a whole number from 2 to {most}, half of the {data.items}")
    folded = copy.copy(data)
    folded.seeds = list(range(folds))
    folded.splits = {"train": (x, y), "val": (x, y)}
    folded.weights = _weights(data, y)
    folded.rows = dict(zip(("train", "val"), fold_rows(y, folds, seed), strict=True))
    return folded


def for_trial(folded: Any, batch_size: int | None) -> Any:
    """Return the same folds with another batch size and without cached features of an earlier trial."""
    own = copy.copy(folded)
    own.batch_size, own.features = batch_size or folded.batch_size, {}
    return own


def repeated(folded: Any, times: int) -> Any:
    """Return the same folds several times, one after the other, for trials that train as one network."""
    own = copy.copy(folded)
    own.seeds = list(folded.seeds) * times
    own.rows = {split: rows.repeat(times, 1) for split, rows in folded.rows.items()}
    return own


def fold_rows(y: Tensor, folds: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows for training [folds, n] and validation [folds, m] of the examples with targets y.

    Folds have equal size. Each class is shuffled and dealt to the folds in turn, so the folds' counts of a class differ
    by at most one. Numeric targets are dealt in sorted order, so each fold has low and high ones. The remainder, fewer
    examples than folds, is in no fold. It is drawn at equal steps along the sorted order, so it is spread over the
    classes, and each example is as likely as any other to be in it.
    """
    drawn = generator(seed, "folds")
    shuffled = torch.randperm(len(y), generator=drawn)
    by_class = shuffled[y[shuffled].argsort(stable=True)] if y.dim() == 1 else shuffled
    in_fold = torch.ones(len(y), dtype=torch.bool)
    if remainder := len(y) % folds:
        start = torch.randint(len(y), (1,), generator=drawn)
        in_fold[(torch.arange(remainder) * len(y) + start) // remainder] = False
    val = by_class[in_fold].view(-1, folds).T.contiguous()
    train = torch.stack([val[torch.arange(folds) != r].flatten() for r in range(folds)])
    return train, val


def _weights(data: Any, y: Tensor) -> Tensor | None:
    """Return the class weights of all examples with labels y, or None. Raise UserError for other weights."""
    given, own = getattr(data, "weights", None), getattr(data, "class_weights", None)
    if given is None:
        return None
    of_train = example_weights(own, None, data.splits["train"][1], data.num_classes)
    told = "folds train on validation examples too, which have no weight; leave it out, or type data.class_weights"
    by_class = of_train is not None and torch.equal(of_train.to(given), given)
    require(by_class, "data.weight", getattr(data, "weight", "given"), told)
    return example_weights(own, None, y, data.num_classes)


def _of_first_seed(data: Any, split: str) -> tuple[Tensor, Tensor]:
    x, y = data.splits[split]
    return (x[data.rows[split][0]], y[data.rows[split][0]]) if split in data.rows else (x, y)
