"""Record every epoch: metrics.csv is the record, TensorBoard events are a view of it."""

import hashlib
import re
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from dnnx.basics.errors import require
from dnnx.runs.files import EVENTS, append_text, naming, sync, write_text
from dnnx.runs.tables import HEADER
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.callbacks.tags import spread_tag, tag
from dnnx.training.trainer import close_logger

ROW = re.compile(r"\d{1,9},[^,\n]*,[^,\n]*,\d{1,19},[-+.\w]+\n")

# TensorBoard's custom scalars tab: train and validation in one chart, and the mean with its margins.
LAYOUT = {
    name: {
        "train and val": ["Multiline", [f"{name}/train$", f"{name}/val$"]],
        "val, mean and standard deviation": ["Margin", [f"{name}/val", f"spread/{name}/low", f"spread/{name}/high"]],
    }
    for name in ("accuracy", "loss")
}


class Record(pl.Callback):
    """Add each epoch's rows to metrics.csv in trainer.default_root_dir; add mean and spread over seeds to TensorBoard.

    Measurements before the first epoch are the rows of epoch 0. A checkpoint holds the length of the file and its
    checksum. A resumed run cuts off later rows; a file that was changed before them is refused.
    """

    writer: SummaryWriter | None = None
    checks_own_state = True  # checkpoints of an earlier dnnx hold other keys

    def __init__(self) -> None:
        self.elapsed_s: list[float] = []  # seconds of training at the end of every epoch, without interruptions
        self.rows: list[str] = []  # of metrics.csv, one text per epoch; those before a checkpoint are one text
        self.written, self.digest = 0, hashlib.sha256()  # bytes of metrics.csv below its head
        self.saved: tuple[int, str] | None = None  # the two in the checkpoint of a resumed run

    @staticmethod
    def of(trainer: Any) -> "Record":
        return next(callback for callback in trainer.callbacks if isinstance(callback, Record))

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.path = Path(trainer.default_root_dir, "metrics.csv")
        if self.saved is not None:
            self._take(_rows_of(self.path, *self.saved))
        write_text(self.path, HEADER + "".join(self.rows))

    def _take(self, rows: str) -> None:
        self.rows.append(rows)
        self.written += len(rows.encode())
        self.digest.update(rows.encode())

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        first = trainer.current_epoch + 1 if trainer.current_epoch else 0
        self.writer = SummaryWriter(str(self.path.parent), purge_step=first)
        self.writer.add_custom_scalars(LAYOUT)
        self.loggers = trainer.loggers

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 0:
            self._write(0, pl_module.hparams["seeds"], pl_module.epoch_metrics)
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.elapsed_s.append(sum(self.elapsed_s[-1:]) + time.perf_counter() - self.started)
        stopping = EarlyStopping.of(trainer)
        seeds = [seed for seed, counts in zip(pl_module.hparams["seeds"], stopping.counted, strict=True) if counts]
        metrics = {name: values[stopping.counted] for name, values in stopping.metrics.items()}
        self._write(trainer.current_epoch + 1, seeds, metrics, f"{self.elapsed_s[-1]:.6f}")

    def _write(self, epoch: int, seeds: list[int], metrics: dict[str, Tensor], elapsed_s: str | None = None) -> None:
        assert self.writer is not None
        rows = [f"{epoch},time,elapsed_s,{seed},{elapsed_s}\n" for seed in seeds if elapsed_s]
        scalars: dict[str, Tensor] = {}
        shown: dict[str, Tensor] = {}  # in TensorBoard
        for name, values in metrics.items():
            prefix = f"{epoch},{name.replace('/', ',')}"
            rows += [f"{prefix},{seed},{value!r}\n" for seed, value in zip(seeds, values.tolist(), strict=True)]
            mean, spread = values.mean(), values.std(correction=0)
            scalars |= {name: mean, f"band/{name}/low": mean - spread, f"band/{name}/high": mean + spread}
            shown[tag(name)] = mean
            if (margin := spread_tag(name)) is not None:
                shown |= {f"{margin}/low": mean - spread, f"{margin}/high": mean + spread}
        event = Summary(value=[Summary.Value(tag=name, simple_value=float(value)) for name, value in shown.items()])
        with naming(self.path.with_name(EVENTS)):
            self.writer._get_file_writer().add_summary(event, epoch)  # one event: a third of the time
        for logger in self.loggers:
            logger.log_metrics({name: float(value) for name, value in scalars.items()}, epoch)
        self._take("".join(rows))
        append_text(self.path, self.rows[-1])

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if self.writer is not None:
            with naming(self.path.with_name(EVENTS)):
                self.writer.close()
            for logger in self.loggers:
                close_logger(logger)

    def state_dict(self) -> dict[str, Any]:
        sync(self.path)  # a power cut must not keep the checkpoint and lose rows
        return {"elapsed_s": self.elapsed_s, "written": self.written, "checksum": self.digest.hexdigest()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if not all(isinstance(seconds, float) for seconds in state["elapsed_s"]):
            raise ValueError("elapsed_s are no seconds")
        self.elapsed_s = state["elapsed_s"]
        if "rows" in state:  # of an earlier dnnx
            if not all(isinstance(rows, str) and _are_rows(rows) for rows in state["rows"]):
                raise ValueError("rows are not those of metrics.csv")
            self._take("".join(state["rows"]))
        elif type(state["written"]) is not int or not isinstance(state["checksum"], str):
            raise ValueError("written and checksum are not those of metrics.csv")
        else:
            self.saved = state["written"], state["checksum"]


def _are_rows(text: str) -> bool:
    return all(ROW.fullmatch(line) for line in text.splitlines(keepends=True))


def _rows_of(path: Path, written: int, checksum: str) -> str:
    """Return the first bytes of metrics.csv below its head. Raise UserError unless they have this checksum."""
    contents = path.read_bytes() if path.is_file() else b""
    found = contents[len(HEADER) : len(HEADER) + written]
    same = contents.startswith(HEADER.encode()) and hashlib.sha256(found).hexdigest() == checksum
    rows = found.decode(errors="replace")
    told = "it was changed since its checkpoint; restore it, or delete checkpoints/ beside it to train anew"
    require(same and len(found) == written and _are_rows(rows), "metrics.csv", path, told)
    return rows


def log_embedding(folder: Path, predictions: dict[str, Tensor]) -> None:
    """Write the kept activations of test images for TensorBoard's PROJECTOR tab."""
    if "embedded" in predictions:
        with naming(folder / EVENTS), SummaryWriter(str(folder)) as writer:
            writer.add_embedding(predictions["embedded"], predictions["embedded_labels"].tolist())


def log_hparams(folder: Path, settings: dict[str, Any], metrics: dict[str, float]) -> None:
    """Write one entry of TensorBoard's HPARAMS tab, with final values, to the run's own folder.

    The summary of a whole experiment, the first of the three that torch makes, is left out. TensorBoard then reads
    all runs and shows the settings that differ first.
    """
    shown = {tag(name): value for name, value in metrics.items()}
    with naming(folder / EVENTS), SummaryWriter(str(folder)) as writer:
        for summary in hparams(settings, shown)[1:]:
            writer._get_file_writer().add_summary(summary)
        for name, value in shown.items():
            writer.add_scalar(name, value)
