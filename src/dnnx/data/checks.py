"""Checks of a run's data: standardized, augmented, drawn, weighted and corrupted as the config says."""

from typing import Any

import torch

from dnnx.basics.at_work import Check, must


def standardized(run: Any) -> None:
    x, _ = run.data.splits["train"]
    mean, std = x.mean(0), x.std(0)
    must(mean.abs().max() < 0.05, f"a feature of the training images has mean {mean.abs().max():g}")
    must(((std - 1).abs() < 0.05).logical_or(std < 1e-6).all(), "a feature's standard deviation is neither 1 nor 0")


def augmented(run: Any) -> None:
    moved = run.data.train_dataloader().batches
    pairs = zip(moved, getattr(moved, "batches", moved), strict=True)
    must(any(not torch.equal(x, plain) for (x, *_), (plain, *_) in pairs), "the training images are as they are")


def drawn(run: Any) -> None:
    rows, n = run.data.rows.get("train", torch.zeros(0, 0)), run.cfg.data.train_size
    must(rows.shape == (run.module.replicas.num_replicas, n), f"the training images are {tuple(rows.shape)}")
    must(all(len(row.unique()) == n for row in rows), "a training image is there twice")


def weighted(run: Any) -> None:
    weights = run.data.weights
    must(weights is not None and bool((weights != weights[:1]).any()), "all training examples have the same weight")


def batches(run: Any) -> None:
    found, each = len(list(run.data.train_dataloader().batches)), run.cfg.data.batches_per_epoch
    must(found == each, f"an epoch has {found} batches")


def corrupted(run: Any) -> None:
    x, y = next(iter(run.data.train_dataloader().batches))
    known, y = run.data.splits["train"][0], y[0, :20]
    real = torch.stack([(known == image).flatten(1).all(1).any() for image in x[0, :20]])
    must(real[y == 1].all(), "an image that is labelled real is none of the training images")
    must(not real[y == 0].all(), "no image is corrupted")


DATA_CHECKS = (
    Check("data.standardize", lambda cfg: cfg.data.get("standardize"), standardized),
    Check("data.augment", lambda cfg: any((cfg.data.get("augment") or {}).values()), augmented),
    Check("data.class_weights", lambda cfg: cfg.data.get("class_weights") not in (None, "balanced"), weighted),
    Check("data.weight", lambda cfg: cfg.data.get("weight"), weighted),
    Check("data.train_size", lambda cfg: cfg.data.get("train_size"), drawn),
    Check("data.batches_per_epoch", lambda cfg: cfg.data.get("batches_per_epoch"), batches),
)
CORRUPTED_CHECKS = (*DATA_CHECKS, Check("data=real_or_corrupted", lambda cfg: True, corrupted))
