"""LastEpoch: test the weights of the last epoch, so that early stopping can be compared with training to the end."""

from typing import Any

from dnnx.basics.at_work import must
from dnnx.basics.errors import require
from dnnx.techniques.base import Technique


class LastEpoch(Technique):
    """Train every seed to epoch `epoch` and test the weights of that epoch, whatever its validation loss.

    It is the baseline without early stopping: by default a seed is tested with the weights of its lowest validation
    loss. A seed that diverges still ends early.

    Example: `dnnx train +exp=dense5 +technique=last_epoch trainer.max_epochs=30`.
    """

    mergeable = True
    first_epoch_key = "epoch"
    skipped_in_search = True

    def __init__(self, epoch: int):
        key = "techniques.last_epoch.epoch"
        told = f"the last epoch, for example {key}=${{trainer.max_epochs}}"
        require(type(epoch) is int and epoch >= 1, key, epoch, told)
        self.first_epoch = epoch

    def check_after(self, run: Any) -> None:
        """Check that no seed is tested with weights of an earlier epoch."""
        for best in run.metrics["epoch/best"]:
            must(best in (None, self.first_epoch), f"a seed is tested with the weights of epoch {best}")
