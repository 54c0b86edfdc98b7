"""RecurrentText: a recurrent network that predicts every next token of a text."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dnnx.basics.errors import require
from dnnx.nets.layers.dropout import Dropout
from dnnx.nets.layers.recurrent import RecurrentStack

MAX_ONE_HOT = 1000  # tokens; more need an embedding


class RecurrentText(nn.Module):
    """Tokens [B, T] as one-hot vectors or embeddings, recurrent layers, and logits [B, T, C] of each next token.

    It reads forward only, as a token must not depend on later ones.

    Args: embedding: width of the vector of a token; 0: one-hot.

    Example: `RecurrentText((35,), 28, cell="gru", hidden=256)`.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        cell: str = "gru",
        hidden: int = 256,
        layers: int = 1,
        embedding: int = 0,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: str = "auto",
    ):
        super().__init__()
        told = "net=recurrent_text reads tokens [steps], as data=tokens has"
        require(len(in_shape) == 1, "data", f"examples {list(in_shape)}", told)
        require(type(embedding) is int and embedding >= 0, "net.embedding", embedding, "0, or the width of a vector")
        told = f"one-hot vectors are for {MAX_ONE_HOT} tokens at most, there are {num_outputs}; type net.embedding=64"
        require(embedding > 0 or num_outputs <= MAX_ONE_HOT, "net.embedding", embedding, told)
        self.num_tokens = num_outputs
        self.embedding = nn.Embedding(num_outputs, embedding) if embedding else None
        width = embedding or num_outputs
        self.stack = RecurrentStack(cell, width, hidden, layers, False, dropout, recurrent_dropout, implementation)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.output = nn.Linear(hidden, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [B, T, C] of the token after each of x [B, T]."""
        vectors = _one_hot(x, self.num_tokens) if self.embedding is None else self.embedding(x)
        outputs, _ = self.stack(vectors)
        return self.output(self.dropout(outputs))


def _one_hot(x: Tensor, num: int) -> Tensor:
    """Return float vectors [..., num]; F.one_hot cannot be used under vmap."""
    return (x[..., None] == torch.arange(num, device=x.device)).float()
