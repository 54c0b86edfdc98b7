"""Language model: predict each next token of a text, by cross-entropy."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.basics.seeding import generator
from dnnx.tasks.continuation import continue_tokens
from dnnx.tasks.metric import Metric
from dnnx.tasks.task import Task

LN2 = math.log(2)
PROMPT, LENGTH, TEMPERATURE = 30, 120, 0.8  # of the samples in a report, in tokens


class LanguageModel(Task):
    """Outputs are logits [N, T, C] of the next tokens y [N, T]. Losses are means over the tokens.

    `bits` is the loss in bits for each token. `perplexity` is its exponential, 2^bits: the number of equally likely
    tokens that would be as hard to guess.
    """

    curves = ("loss", "bits")
    takes_logits = True
    metrics: Mapping[str, Metric] = {
        "loss": Metric(better="lower"),
        "bits": Metric(unit="bits", better="lower", note="Bits are for each token: a character, or a word."),
        "perplexity": Metric(better="lower"),
        "accuracy": Metric(unit="%", better="higher"),
    }

    def num_outputs(self, data: Any) -> int | None:
        told = "the data has no tokens; type data=tokens"
        require(bool(data.num_classes) and len(data.in_shape) == 1, "task", "language_model", told)
        return data.num_classes

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs.transpose(1, 2), y, reduction="none").mean(1)

    def per_example(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"bits": self.loss(outputs, y) / LN2}

    def summary(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each token and whether it is the most probable one, [N, T, 2]."""
        losses = F.cross_entropy(outputs.transpose(1, 2), y, reduction="none")
        return torch.stack([losses, (outputs.argmax(-1) == y).float()], -1)

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        loss, hits = outputs.double().flatten(0, 1).mean(0).tolist()
        return {"loss": loss, "bits": loss / LN2, "perplexity": math.exp(loss), "accuracy": hits}

    def predictions(self, outputs: Tensor, y: Tensor, ensemble: Tensor | None, data: Any) -> dict[str, Tensor]:
        """Return the test tokens [N, T] and the loss of each one by every network, [R, N, T]."""
        return {"targets": y, "losses": outputs[..., 0].contiguous()}

    def exhibits(self, module: Any, data: Any) -> dict[str, Tensor]:
        """Return the first test tokens and a continuation of them by every network, [R, T]."""
        x, _ = data.splits["test"]
        prompt = x[torch.arange(1, device=x.device)][:, :PROMPT].expand(module.replicas.num_replicas, -1)
        module.eval()
        sample = continue_tokens(
            lambda tokens: module(tokens[:, None])[:, 0], prompt, LENGTH, TEMPERATURE, generator(0, "sample")
        )
        return {"samples": sample}
