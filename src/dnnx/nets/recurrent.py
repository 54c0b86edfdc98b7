"""Recurrent: a recurrent network that reads a sequence and answers after its last step."""

from collections.abc import Sequence

from torch import Tensor, nn

from dnnx.nets.layers.dropout import Dropout
from dnnx.nets.layers.recurrent import RecurrentStack, steps_and_features


class Recurrent(nn.Module):
    """Layers of RNN, GRU or LSTM over [B, T, F], and a linear layer on their last state.

    Args:
        bidirectional: also read from the end; allowed where the whole sequence lies before the answer.
        dropout: between layers and before the output.
        recurrent_dropout: of the state, one mask for each sequence.
        implementation: torch, scratch (matrix products), or auto.

    Example: `Recurrent((120, 14), 1, cell="gru", hidden=32, layers=2)`.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        cell: str = "lstm",
        hidden: int = 16,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: str = "auto",
    ):
        super().__init__()
        _, features = steps_and_features(in_shape, "recurrent")
        self.stack = RecurrentStack(
            cell, features, hidden, layers, bidirectional, dropout, recurrent_dropout, implementation
        )
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.output = nn.Linear(self.stack.num_outputs, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs [B, num_outputs] of x [B, T, F]."""
        _, last = self.stack(x)
        return self.output(self.dropout(last))
