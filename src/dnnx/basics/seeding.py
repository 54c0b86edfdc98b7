"""Random streams: each purpose of each seed has its own, so that nothing shifts anything else."""

import hashlib

import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on every argument, the same on every machine."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator for one purpose of one seed, for example `generator(3, "order", epoch)`."""
    return torch.Generator().manual_seed(derive(seed, *purpose))
