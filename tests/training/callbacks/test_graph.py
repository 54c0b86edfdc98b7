"""TensorBoard's graph: every layer of one network is in it, and the run keeps its numbers."""

from pathlib import Path

import pytest
import torch
from commands import SMOKE, compose, measured
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.nets.dense import DenseNet
from dnnx.train import train

RUN = [*SMOKE, "net.hidden=[9,8]", "net.norm=batch", "net.dropout=0.1", "trainer.max_epochs=1", "~callbacks.progress"]


def test_the_graph_has_every_layer_and_changes_nothing(tmp_path: Path) -> None:
    plain = train(compose(*RUN), tmp_path / "plain")
    drawn = train(compose(*RUN[:-1], "callbacks=graph", RUN[-1]), tmp_path / "drawn")
    assert measured(drawn) == measured(plain)
    nodes = [node.name for node in EventAccumulator(str(tmp_path / "drawn")).Reload().Graph().node]
    for layer in ("DenseBlock[0]/Linear[linear]", "DenseBlock[1]/BatchNorm1d[norm]", "Linear[output]"):
        assert any(layer in name for name in nodes), nodes
    with pytest.raises(ValueError, match="no graph"):
        EventAccumulator(str(tmp_path / "plain")).Reload().Graph()


class Untraceable(DenseNet):
    """Its forward gives the trace no tensor."""

    def forward(self, x: Tensor, *given: object, **named: object) -> Tensor:  # type: ignore[override]
        if torch.jit.is_tracing():
            raise RuntimeError("this net is not traced")
        out = super().forward(x)
        assert isinstance(out, Tensor)
        return out


def test_a_net_that_cannot_be_traced_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "test_graph", sys.modules[__name__])
    words = [*SMOKE, "net._target_=test_graph.Untraceable", "trainer.max_epochs=1", "callbacks=graph"]
    with pytest.raises(UserError, match=r"^callbacks\.graph: Untraceable cannot be traced \(this net is not traced\)"):
        train(compose(*words), tmp_path)
