"""Output bias: start from the shares of the classes, as an untrained network should predict them."""

from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import require
from dnnx.techniques.base import Technique

KEY = "techniques.output_bias.parameter"


class OutputBias(Technique):
    """Set the bias of the output layer to the logits of the shares of the training classes, before the first step.

    Of C outputs the bias of class c is log p_c. One logit has log(p_1 / p_0), as in Lin et al. 2017 (focal loss). With
    unequal classes the first steps are then not spent on learning the shares (Karpathy 2019, A Recipe for Training
    Neural Networks). A class without a training example counts as one example.

    Args: parameter: the name of the bias.

    Example: `+technique=output_bias techniques.output_bias.parameter=layers.4.bias`
    """

    mergeable = True

    def __init__(self, parameter: str = "output.bias"):
        self.parameter, self.was_set = parameter, False

    def before_training(self, data: Any) -> None:
        if self.was_set:  # a resumed run has learned its bias
            return
        logits = logits_of(class_counts(data, self.module.replicas.num_replicas))
        named = dict(self.module.replicas.net.named_parameters())
        biases = ", ".join(name for name in named if name.endswith("bias")) or "none"
        require(self.parameter in named, KEY, self.parameter, f"no bias of this name; the net has {biases}")
        bias = named[self.parameter]
        if bias.numel() == len(logits) and logits.shape[1] == 2:  # one logit for two classes
            logits = logits[:, 1:] - logits[:, :1]
        told = f"it has {bias.numel() // len(logits)} numbers, and there are {logits.shape[1]} classes"
        require(bias.numel() == logits.numel(), KEY, self.parameter, told)
        bias.data.copy_(logits.view_as(bias))
        self.was_set = True

    def state_dict(self) -> dict[str, Any]:
        return {"was_set": self.was_set}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.was_set = bool(state["was_set"])

    def check_after(self, run: Any) -> None:
        must(self.was_set, "no bias was set")


def class_counts(data: Any, num_replicas: int) -> Tensor:
    """Return the number of training examples of each class, [R, C], of each replica's own examples."""
    told = "the targets are numbers, so there are no shares of classes; leave it out"
    require(data.num_classes is not None, "technique", "output_bias", told)
    y = data.splits["train"][1]
    of_replicas = y[data.rows["train"]] if "train" in data.rows else y.expand(num_replicas, *y.shape)
    return torch.stack([own.flatten().bincount(minlength=data.num_classes) for own in of_replicas])


def logits_of(counts: Tensor) -> Tensor:
    """Return the logarithms of the shares of counts [R, C]."""
    counts = counts.clamp(min=1).double()
    return (counts / counts.sum(1, keepdim=True)).log().float()
