"""`make tensorboard`: TensorBoard on the newest runs of a folder, each once.

TensorBoard follows links, so it would show the newest run of each experiment twice, as itself and as `latest`. And it
selects no run at all if there are more than 40. So it reads a temporary folder, which has links to the event files of
the newest 40 and is brought up to date while TensorBoard runs.

python -m dnnx.runs.board outputs 40 --port 6007
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from dnnx.basics.errors import UserError, require

MAX_RUNS = 40  # runs that TensorBoard selects by itself
EVENTS = "events.out.tfevents."
SHOWN = (EVENTS, "projector_config.pbtxt", "00000")  # what a run has for TensorBoard; the last two are its embedding
EVERY_S = 5  # TensorBoard reads its folder as often


def main(arguments: Sequence[str]) -> int:
    """Run TensorBoard on the newest runs of a folder until it ends; return its exit code."""
    outputs, newest, *options = [*arguments, *["outputs", str(MAX_RUNS)][len(arguments) :]]
    try:
        require(Path(outputs).is_dir(), "folder", outputs, "there is no such folder; train something first")
        require(newest.isdecimal() and int(newest) > 0, "runs", newest, "the number of newest runs to show, such as 40")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with TemporaryDirectory() as logdir:
        link(Path(outputs), Path(logdir), int(newest))
        words = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--host", "localhost", *options]
        with subprocess.Popen(words) as board, suppress(KeyboardInterrupt):
            while board.poll() is None:
                time.sleep(EVERY_S)
                link(Path(outputs), Path(logdir), int(newest))
        return board.wait()


def link(outputs: Path, logdir: Path, newest: int) -> None:
    """Bring `logdir` up to date: links to the files that the newest runs in `outputs` have for TensorBoard.

    A run may be deleted or moved meanwhile.
    """
    wanted = {
        logdir / file.parent.relative_to(outputs) / file.name: file.absolute()
        for run in newest_runs(outputs)[:newest]
        for file in run.glob("*")
        if file.name.startswith(SHOWN)
    }
    for there in [path for path in logdir.rglob("*") if path.is_symlink() and path not in wanted]:
        there.unlink()
    for path, file in wanted.items():
        if not path.is_symlink():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(file)
    for folder, _, _ in os.walk(logdir, topdown=False):
        if folder != str(logdir):
            with suppress(OSError):  # it is not empty
                os.rmdir(folder)


def newest_runs(outputs: Path) -> list[Path]:
    """Return the folders in `outputs` that hold event files, the last written first. No link is followed."""
    found: dict[Path, float] = {}
    for folder, _, files in os.walk(outputs):
        for name in files:
            if name.startswith(EVENTS):
                with suppress(FileNotFoundError):
                    written = os.path.getmtime(os.path.join(folder, name))
                    found[Path(folder)] = max(written, found.get(Path(folder), 0))
    return sorted(found, key=lambda folder: found[folder], reverse=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
