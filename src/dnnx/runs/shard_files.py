"""Shards of a run on disk: their folders, the files that move into them, and the lock for joining them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dnnx.runs.files import read_json, read_results, write_atomic, write_json
from dnnx.runs.locks import waiting_for

FOLDER = "shards"
EARLIER = "earlier_results.json"
PREPROCESSING, SCALING = "preprocessing.json", "scaling.safetensors"  # what a prediction needs beside the weights
LONGEST = 40  # largest number of letters of a name
# Files that are written anew when a run trains more epochs, besides results.json and those that grow.
RENEWED = (
    "model.safetensors", "predictions.safetensors", "reliability.json", "mc_dropout.*", "data.json", "environment.json",
    "backbone.json", PREPROCESSING, SCALING,
)  # fmt: skip
# Files of a run that move into a shard. results.json moves first: without it no reader takes a part for the whole.
FILES = (
    "results.json", "checkpoints", "metrics.csv", "tensorboard", "events.out.tfevents.*", "projector_config.pbtxt",
    "00000", *RENEWED,
)  # fmt: skip


def name_of(seeds: Sequence[int]) -> str:
    """Return the name of a shard's folder. A long list of seeds becomes its ends, its length and a checksum.

    >>> name_of([0, 1, 2, 3, 4]), name_of([3, 7]), name_of([0, 2, 3, 4, 9])
    ('0-4', '3,7', '0,2-4,9')
    """
    name = ",".join(ranges(seeds))
    if len(name) <= LONGEST:
        return name
    return f"{seeds[0]}..{seeds[-1]}_{len(seeds)}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def ranges(seeds: Sequence[int]) -> list[str]:
    """Return seeds in words, those that follow each other as one.

    >>> ranges([0, 2, 3, 4, 9])
    ['0', '2-4', '9']
    """
    found: list[list[int]] = []
    for seed in seeds:
        if found and seed == found[-1][-1] + 1:
            found[-1] = [found[-1][0], seed]
        else:
            found.append([seed])
    return ["-".join(map(str, ends)) for ends in found]


def folders(run: Path) -> list[Path]:
    """Return the folders of a run's shards, sorted. An empty folder comes from a job that died at its start."""
    below = sorted((run / FOLDER).iterdir()) if (run / FOLDER).is_dir() else []
    return [path for path in below if path.is_dir() and any(not file.name.startswith(".") for file in path.iterdir())]


def move_into_shard(run: Path, seeds: Sequence[int], extra: Sequence[str] = ()) -> None:
    """Move the files of a finished run into its shard of `seeds`. `extra` names more files to move.

    After a death at any moment the shard has no config.yaml, and `is_moving` is true: then call this again.
    """
    shard = run / FOLDER / name_of(seeds)
    shard.mkdir(parents=True, exist_ok=True)
    for pattern in (*FILES, *extra):
        for path in sorted(run.glob(pattern)):
            os.replace(path, shard / path.name)
    contents = (run / "config.yaml").read_bytes()
    write_atomic(shard / "config.yaml", lambda beside: beside.write_bytes(contents))


def is_moving(run: Path, seeds: Sequence[int]) -> bool:
    """Return whether `move_into_shard` of these seeds has begun and not ended."""
    shard = run / FOLDER / name_of(seeds)
    return (shard / "results.json").exists() and not (shard / "config.yaml").exists()


def note_earlier(run: Path, seeds: Sequence[int]) -> None:
    """Note the seeds of a run's results before results of more `seeds` replace them.

    Reports read from it that seeds were added by hand, after someone may have seen an answer.
    """
    if not (run / "results.json").exists():
        return
    there, path = read_results(run)["seeds"], run / EARLIER
    noted = read_json(path) if path.exists() else []
    if set(there) < set(seeds) and there not in noted:
        write_json(path, [*noted, there])


@contextmanager
def turn(run: Path) -> Iterator[None]:
    """Wait until no other process changes the files of a run of shards. A dead process holds no lock."""
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with waiting_for(folder):
        yield


def remove_unused(run: Path, made: Sequence[Path]) -> None:
    """Remove the empty folders among `made` and, if no shard of the run has begun, the files among them."""
    for path in (path for path in made if path.is_dir()):
        with suppress(OSError):
            path.rmdir()
    with suppress(OSError):
        (run / FOLDER).rmdir()
        for path in (path for path in made if path.is_file()):
            path.unlink()
