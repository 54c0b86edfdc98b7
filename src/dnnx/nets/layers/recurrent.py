"""Recurrent layers, by matrix products or by torch: plain (RNN), GRU (Cho et al. 2014), LSTM (Hochreiter 1997)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import choose, require, require_layers
from dnnx.nets.layers.dropout import Dropout, check_share

State = tuple[Tensor, ...]  # h, or h and c


def rnn_step(x: Tensor, h: Tensor, state: State) -> State:
    """Return the state after a step from the products of input and of state, each [B, H]."""
    return (torch.tanh(x + h),)


def gru_step(x: Tensor, h: Tensor, state: State) -> State:
    """Return the state after a step. The gates in x and h [B, 3 H] are reset, update and new, as in torch."""
    (r, z, n), (hr, hz, hn) = x.chunk(3, -1), h.chunk(3, -1)
    update = torch.sigmoid(z + hz)
    new = torch.tanh(n + torch.sigmoid(r + hr) * hn)
    return (new + update * (state[0] - new),)


def lstm_step(x: Tensor, h: Tensor, state: State) -> State:
    """Return h and c after a step. The gates in x and h [B, 4 H] are input, forget, cell and output, as in torch."""
    i, f, g, o = (x + h).chunk(4, -1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


STEPS: dict[str, Callable[[Tensor, Tensor, State], State]] = {"rnn": rnn_step, "gru": gru_step, "lstm": lstm_step}
OF_TORCH: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
NUM_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
IMPLEMENTATIONS = ("auto", "torch", "scratch")


class ScratchRecurrent(nn.Module):
    """One recurrent layer by matrix products, with the parameter names, initial values and results of torch's layer.

    Args:
        cell: rnn, gru or lstm.
        recurrent_dropout: share of the state that a step does not see. One mask is drawn for each sequence and kept for
            all its steps (Gal & Ghahramani 2016).
    """

    def __init__(
        self, cell: str, num_inputs: int, hidden: int, bidirectional: bool = False, recurrent_dropout: float = 0.0
    ):
        super().__init__()
        self.cell, self.hidden, self.step = cell, hidden, STEPS[cell]
        self.ends = ["_l0", "_l0_reverse"][: 1 + bidirectional]
        gates, bound = NUM_GATES[cell] * hidden, 1 / math.sqrt(hidden)
        for end in self.ends:
            shapes = {"weight_ih": (gates, num_inputs), "weight_hh": (gates, hidden), "bias_ih": (gates,)}
            for name, shape in {**shapes, "bias_hh": (gates,)}.items():
                self.register_parameter(name + end, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))
        self.dropouts = nn.ModuleList([Dropout(recurrent_dropout) for _ in self.ends] if recurrent_dropout else [])

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the outputs [B, T, D H] of x [B, T, F], and the state [D, B, H] after it, for lstm the pair h, c."""
        given = state if isinstance(state, tuple) else (state,)
        outputs, ends = [], []
        for place in range(len(self.ends)):
            output, end = self._run(x if place == 0 else x.flip(1), tuple(s[place] for s in given), place)
            outputs.append(output if place == 0 else output.flip(1))
            ends.append(end)
        after = tuple(torch.stack(own) for own in zip(*ends, strict=True))
        return torch.cat(outputs, -1), after if isinstance(state, tuple) else after[0]

    def _run(self, x: Tensor, state: State, place: int) -> tuple[Tensor, State]:
        """Return the outputs [B, T, H] and the last state of one direction."""
        weight_ih, weight_hh, bias_ih, bias_hh = (
            getattr(self, name + self.ends[place]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        inputs = x @ weight_ih.mT + bias_ih  # of all steps at once
        mask = self.dropouts[place](torch.ones_like(state[0])) if len(self.dropouts) else None
        outputs = []
        for of_step in inputs.unbind(1):
            seen = state[0] if mask is None else state[0] * mask
            state = self.step(of_step, seen @ weight_hh.mT + bias_hh, state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), state


class RecurrentStack(nn.Module):
    """Recurrent layers one upon another, with dropout between them.

    `implementation` is `torch` (its fused layers), `scratch` (matrix products), or `auto`: torch where it can. Both
    have the same parameters and initial values. torch has no recurrent dropout.

    `carried` [layers, S, B, H] is the state that one training batch hands to the next (`CarriedState`), S = 2 for lstm.
    Without it, in evaluation, and for another number of sequences every sequence begins with a state of zeros.
    """

    carried: Tensor | None

    def __init__(
        self,
        cell: str,
        num_inputs: int,
        hidden: int,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: str = "auto",
    ):
        super().__init__()
        check(cell, hidden, layers, dropout, recurrent_dropout, implementation)
        self.cell, self.hidden, self.directions = cell, hidden, 1 + bidirectional
        self.register_buffer("carried", None, persistent=False)
        by_torch = implementation == "torch" or (implementation == "auto" and not recurrent_dropout)
        widths = [num_inputs, *[hidden * self.directions] * (layers - 1)]
        self.layers = nn.ModuleList(
            OF_TORCH[cell](width, hidden, batch_first=True, bidirectional=bidirectional)
            if by_torch
            else ScratchRecurrent(cell, width, hidden, bidirectional, recurrent_dropout)
            for width in widths
        )
        self.between = nn.ModuleList(Dropout(dropout) for _ in widths[1:]) if dropout else None

    @property
    def num_outputs(self) -> int:
        return self.hidden * self.directions

    @property
    def state_shape(self) -> tuple[int, int]:
        """Return the layers and the tensors of a layer's state."""
        return len(self.layers), 2 if self.cell == "lstm" else 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of every step [B, T, D H], and of each direction's last step [B, D H], of x [B, T, F]."""
        fits = self.training and self.carried is not None and self.carried.shape[-2] == len(x)
        carried = self.carried.clone() if fits and self.carried is not None else None
        after = []
        for place, layer in enumerate(self.layers):
            if place and self.between is not None:
                x = self.between[place - 1](x)
            x, state = self._run(layer, x, None if carried is None else carried[place])
            after.append(state)
        if carried is not None:
            self.carried = torch.stack([torch.cat(state) for state in after]).detach()
        return x, after[-1][0].transpose(0, 1).flatten(1)

    def _run(self, layer: nn.Module, x: Tensor, carried: Tensor | None) -> tuple[Tensor, State]:
        num = self.state_shape[1]
        zeros = x.new_zeros(self.directions, len(x), self.hidden)
        state = (zeros,) * num if carried is None else tuple(carried[:, None].unbind())
        out, after = layer(x, state if num == 2 else state[0])
        return out, after if num == 2 else (after,)


def check(cell: str, hidden: int, layers: int, dropout: float, recurrent_dropout: float, implementation: str) -> None:
    """Raise UserError for an argument that no recurrent net can have."""
    choose("net.cell", cell, STEPS)
    choose("net.implementation", implementation, dict.fromkeys(IMPLEMENTATIONS))
    require(type(hidden) is int and hidden >= 1, "net.hidden", hidden, "a whole number of at least 1")
    require_layers("net.layers", layers)
    for name, share in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
        check_share(f"net.{name}", share)
    told = "torch's layers have no recurrent dropout; type net.implementation=scratch"
    require(not (recurrent_dropout and implementation == "torch"), "net.recurrent_dropout", recurrent_dropout, told)


def steps_and_features(in_shape: Sequence[int], net: str) -> tuple[int, int]:
    """Return T and F of examples [T, F]. Raise UserError for others."""
    told = f"net={net} reads sequences [steps, features], as data=jena has"
    require(len(in_shape) == 2, "data", f"examples {list(in_shape)}", told)
    return in_shape[0], in_shape[1]
