"""Random streams: each purpose of each seed has its own, so that one never shifts another."""

import hashlib

import torch


def derive(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed that depends on every argument, the same on every machine."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator for one purpose of one seed, for example `generator(3, "order", epoch)`."""
    return torch.Generator().manual_seed(derive(seed, *purpose))
