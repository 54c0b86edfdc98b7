"""Whose error it is where a function for R networks fails: the user's, if the same call for one network fails too."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dnnx.config.own_lines import blame_caller


def error_alone(call: Callable[[], object]) -> Exception | None:
    """Return the error that a call for one network raises, as that of the code which called; None if it raises none."""
    try:
        with torch.no_grad():
            call()
    except Exception as error:
        return blame_caller(error)
    return None


def of_first(value: Any, num: int) -> Any:
    """Return a copy of an argument for the first of `num` networks: tensors [num, ...] as [...], also in lists."""
    if isinstance(value, Tensor):
        return value[0].detach().clone() if value.dim() and len(value) == num else value
    if isinstance(value, dict):
        return {name: of_first(one, num) for name, one in value.items()}
    return type(value)(of_first(one, num) for one in value) if type(value) in (tuple, list) else value
