"""Technique: the protocol of anything that a study can switch on during training."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from dnnx.basics.at_work import Check, verify


class Technique:
    """Hooks around a step of the optimizer, and the proof that the technique was at work.

    Override the hooks that you need; the others cost nothing. Tensors carry the replica axis R. `self.module` is the
    `ReplicaModule`. `module.weights` are its weights with two or more axes, `module.replicas.net` is its stacked
    network.

    Example:
        class Noise(Technique):                       # conf: techniques: {noise: {_target_: my.Noise, std: 0.01}}
            def __init__(self, std): self.std = std
            def after_step(self):
                for w in self.module.weights: w.data.add_(torch.randn_like(w), alpha=self.std)
    """

    order = 50  # techniques of a lower order go first
    first_epoch = 1  # the best weights come from this epoch or a later one
    first_epoch_key = "first_epoch"  # the argument that sets it
    skipped_in_search = False  # whether a learning-rate search trains without it
    # Whether it acts only on weights, gradients and losses, so that arms with it may train as one network. Not
    # inherited: each subclass sets it again.
    mergeable = False
    module: Any

    def attach(self, module: Any) -> None:
        """Keep the untrained module. Raise UserError if the technique does not fit it."""
        self.module = module

    def start(self) -> None:
        """Prepare the weights of a new training; a tested or resumed network keeps its own."""

    def set_mode(self) -> None:
        """Act after the module was put into training or evaluation mode."""

    def before_training(self, data: Any) -> None:
        """Act once before the first epoch, with the data on its device."""

    def before_epoch(self, epoch: int) -> None:
        """Act before an epoch; epochs count from 1."""

    def example_loss(self, loss: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss to differentiate, [R, B], of loss [R, B], outputs [R, B, ...] and targets [R, B, ...]."""
        return loss

    def penalty(self) -> Tensor:
        """Return a term [R] that is added to the mean loss of each replica."""
        raise NotImplementedError

    def after_backward(self) -> None:
        """Act on the gradients before the optimizer's step."""

    def after_step(self) -> None:
        """Act on the weights after the optimizer's step."""

    def metrics(self) -> dict[str, Tensor]:
        """Return values [R] of the epoch that ended, by their name in metrics.csv, for example train/penalty."""
        return {}

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the replicas at these places alone: the seeds of the others are finished.

        A technique that holds something of each replica overrides this; otherwise finished seeds are computed on.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values that a resumed run needs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the values of `state_dict`."""

    def check_before(self, run: Any) -> None:
        """Call `must` for every property that must hold before the first step."""

    def check_after(self, run: Any) -> None:
        """Call `must` for every property that must hold after the last step."""


def overrides(technique: Technique, hook: str) -> bool:
    """Return whether the technique's class has its own version of this hook."""
    return getattr(type(technique), hook) is not getattr(Technique, hook)


def verify_techniques(techniques: dict[str, Technique], when: str, run: Any) -> None:
    """Run `check_before` or `check_after` of each technique. Raise NotAtWork with the technique's name if one fails."""
    for name, technique in techniques.items():
        check = getattr(technique, f"check_{when}")
        verify([Check(f"techniques.{name}", lambda cfg: True, **{when: check})], when, run)
