"""Continuations of a text: tokens drawn one after another from a language model."""

from collections.abc import Callable

import torch
from torch import Tensor

SEEN = 512  # tokens at most from which the next one is drawn
Predict = Callable[[Tensor], Tensor]  # tokens [R, T] -> logits [R, T, C]


@torch.no_grad()
def continue_tokens(predict: Predict, tokens: Tensor, length: int, temperature: float, draw: torch.Generator) -> Tensor:
    """Return tokens [R, T] with `length` more, each drawn from softmax(logits / temperature); never token 0.

    A temperature of 0 takes the most probable token.
    """
    for _ in range(length):
        logits = predict(tokens[:, -SEEN:])[:, -1, 1:].double().cpu()
        if temperature == 0:
            drawn = logits.argmax(-1, keepdim=True)
        else:
            drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=draw)
        tokens = torch.cat([tokens, drawn.to(tokens.device) + 1], 1)
    return tokens
