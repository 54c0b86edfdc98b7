"""Graph: the network's graph of operations, for TensorBoard's GRAPHS tab."""

import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.tensorboard import SummaryWriter

from dnnx.basics.errors import UserError, message_of
from dnnx.runs.files import EVENTS, naming


class Graph(pl.Callback):
    """Write the graph of one network, as the plain module of its class, before the first epoch.

    Example: `dnnx train callbacks=graph`, then `tensorboard --logdir outputs/train/latest`.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch > 0:  # a resumed run has it
            return
        x, *_ = next(iter(trainer.val_dataloaders))
        example = (x if pl_module.is_shared(x) else x[0])[:1].cpu()
        net = pl_module.replicas.network(0).eval()
        folder = Path(trainer.default_root_dir)
        with naming(folder / EVENTS), SummaryWriter(str(folder)) as writer, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit.trace, which draws it, is old
            try:
                with torch.no_grad():
                    writer.add_graph(net, example)
            except (RuntimeError, ValueError, TypeError) as error:
                told = f"{type(net).__name__} cannot be traced ({message_of(error)}); leave callbacks=graph out"
                raise UserError(f"callbacks.graph: {told}") from None
