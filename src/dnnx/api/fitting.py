"""Fit: train networks from Python, as `dnnx train` does."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dnnx.api.calls import calling, raise_failure
from dnnx.api.run import Run
from dnnx.config.compose import compose
from dnnx.config.paths import run_folder, within
from dnnx.config.words import words_of
from dnnx.data.given import kept
from dnnx.studies.single import train_beside
from dnnx.train import run_job, run_words


def fit(
    net: Any = None,
    data: Any = None,
    task: Any = None,
    seeds: int | Sequence[int] = 5,
    name: str = "fit",
    outputs: str | Path = "outputs",
    overrides: Sequence[str] = (),
    jobs: int | None = None,
) -> Run:
    """Train one network per seed, all at once, and test each with its best weights.

    Args:
        net: a class of yours, its path "my_nets.SmallConv", or a name of conf/net such as "dense5".
        data: arrays (x [N, ...], y [N, ...]), a LightningDataModule, its class or path, or a name of conf/data
            such as "mnist".
        task: a class, a path, or a name of conf/task such as "regression"; None: classification.
        seeds: how many, or a list.
        name: the folder of the run in `outputs`.
        overrides: more settings in the form of the command line, for example ["net.width=64", "optimizer.lr=1e-3"].
        jobs: worker processes that share the seeds; None: all seeds train in this process, as one batched network.

    Raise UserError with one line for any unusable argument.
    """
    words = words_of(net, kept(data, within(str(outputs), name)), task, seeds, name, outputs, overrides, jobs)
    with calling(words):
        cfg = compose("train", words, [])
        folder = run_folder(cfg)
        run_job(cfg, words, folder, folder, partial(train_beside, words, [], folder, run_words))
        raise_failure()  # of a worker: the run is not whole
    return Run(folder, typed=cfg)
