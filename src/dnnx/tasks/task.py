"""Task: the protocol of anything that a network can learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import Check
from dnnx.basics.errors import UserError, message_of
from dnnx.config.own_lines import own_lines_of
from dnnx.tasks.metric import Metric


class Task:
    """A loss, the width of the output, and metrics. Written for one network: a method gets N examples.

    dnnx passes the examples of all replicas at once, flattened to N, so a task never sees the replica axis.
    Override `loss`; everything else has a default.

    Example:
        class Quantile(Task):
            metrics = {"loss": Metric(better="lower")}
            def loss(self, outputs, y):
                error = y - outputs
                return torch.maximum(0.9 * error, -0.1 * error).flatten(1).mean(1)
    """

    curves: tuple[str, ...] = ("loss",)  # the loss and the names of `per_example`, averaged over every epoch
    metrics: Mapping[str, Metric] = {"loss": Metric(better="lower")}  # every name that `measure` returns
    unit = ""  # of the numbers that it predicts
    has_classes = False  # whether outputs are logits [N, C, ...] of integer labels
    takes_logits = False  # whether the loss applies a softmax or a sigmoid to the outputs itself
    checks: Sequence[Check] = ()

    def num_outputs(self, data: Any) -> int | None:
        """Return the width of the output layer for this data, or None if the net decides."""
        shape = getattr(data, "target_shape", ())
        return int(torch.Size(shape).numel())

    def target(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the tensor that outputs are compared with in loss and metrics; by default y."""
        return y

    def read(self, outputs: Tensor) -> Tensor:
        """Return the outputs of the net in the form that `loss` takes."""
        return outputs

    def check_outputs(self, outputs: Tensor, y: Tensor) -> None:
        """Raise UserError if outputs [N, ...] of a first batch do not fit the targets y [N, ...]."""
        try:
            loss = self.loss(outputs, y)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            reason = f"({message_of(error)}){own_lines_of(error, type(self))}"
            raise UserError(f"{self.misfit(outputs, y)} {reason}") from None
        if tuple(loss.shape) != (len(outputs),):
            raise UserError(f"task={type(self).__name__}: loss must return [N], one value per example, "
                            f"not {tuple(loss.shape)} for {len(outputs)} examples")  # fmt: skip

    def misfit(self, outputs: Tensor, y: Tensor) -> str:
        """Return the message for shapes that do not fit."""
        return (
            f"net: its outputs {tuple(outputs.shape)} do not fit task={type(self).__name__} with targets "
            f"{tuple(y.shape)}; change the net's last layer, its num_outputs, or the task"
        )

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each example, [N]."""
        raise NotImplementedError

    def differentiated(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each example, [N], and its derivative by the outputs, [N, ...].

        Optional, for speed: autograd takes longer for the loss than for a layer. Only a class that overrides `loss` and
        `differentiated` together has it used.
        """
        raise NotImplementedError

    def per_example(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Return more values of each example, [N] each, in the order of `curves` after the loss."""
        return {}

    def summary(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the part of the outputs [N, ...] of a whole split that `measure` needs."""
        return outputs

    def choose(self, outputs: Tensor, y: Tensor) -> dict[str, Any]:
        """Return arguments of `measure` that are chosen on the validation set, for one network."""
        return {}

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        """Return the metrics of one network on a split, from its summary [N, ...] and targets [N, ...]."""
        return {"loss": self.loss(outputs.double(), y).mean().item(), **self.by_function(outputs, y)}

    def by_function(self, outputs: Tensor, y: Tensor) -> dict[str, Any]:
        """Return the values of the metrics that have a function."""
        return {name: m.function(outputs, y) for name, m in self.metrics.items() if m.function is not None}

    def estimated(self, estimator: Any, x: Any) -> Tensor:
        """Return the outputs [N, ...] of a fitted estimator of scikit-learn, in the form that `loss` takes."""
        raise UserError(f"baseline: task={type(self).__name__} has none; it is for classification and regression")

    def ensemble(self, outputs: Tensor) -> Tensor | None:
        """Return the joint output [N, ...] of several networks' [S, N, ...], or None if there is none."""
        return None

    def ensemble_metrics(self) -> tuple[str, ...]:
        """Return the names of the metrics that are also measured for the ensemble."""
        return self.curves

    def predictions(self, outputs: Tensor, y: Tensor, ensemble: Tensor | None, data: Any) -> dict[str, Tensor]:
        """Return the tensors of the test set for predictions.safetensors, from summaries [R, N, ...]."""
        return {}

    def exhibits(self, module: Any, data: Any) -> dict[str, Tensor]:
        """Return more tensors of the test set for figures."""
        return {}


def of_one_unit(outputs: Tensor) -> Tensor:
    """Return outputs [R, N, 1] of one unit as [R, N]; others as they are."""
    return outputs[..., 0] if outputs.dim() > 2 and outputs.shape[-1] == 1 else outputs
