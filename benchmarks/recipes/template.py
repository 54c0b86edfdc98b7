"""The usual template's recipe: Lightning, a torchvision DataLoader without workers, torchmetrics and self.log."""

import tempfile
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification import MulticlassAccuracy
from torchvision import transforms

from benchmarks.rounds import LABELS, Rounds, options, splits


class Images(Dataset):
    """As torchvision.datasets.MNIST: an array in memory, a PIL image and its transforms for every sample."""

    def __init__(self, images: Any, labels: Any):
        self.images, self.labels = images, labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[i, 0], mode="L")), int(self.labels[i])


class Module(pl.LightningModule):
    def __init__(self, in_features: int):
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for below in (in_features, 100, 100, 100, 100):
            layers += [nn.Linear(below, 100), nn.ELU()]
        self.net = nn.Sequential(*layers, nn.Linear(100, len(LABELS)))
        self.criterion = nn.CrossEntropyLoss()
        self.train_acc, self.val_acc = MulticlassAccuracy(len(LABELS)), MulticlassAccuracy(len(LABELS))
        self.train_loss, self.val_loss, self.val_acc_best = MeanMetric(), MeanMetric(), MaxMetric()

    def model_step(self, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        x, y = batch
        logits = self.net(x)
        return self.criterion(logits, y), torch.argmax(logits, dim=1), y

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss, preds, targets = self.model_step(batch)
        self.train_loss(loss)
        self.train_acc(preds, targets)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        loss, preds, targets = self.model_step(batch)
        self.val_loss(loss)
        self.val_acc(preds, targets)
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("val/acc", self.val_acc, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        self.val_acc_best(self.val_acc.compute())
        self.log("val/acc_best", self.val_acc_best.compute(), sync_dist=True, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=4e-4)


class Timer(pl.Callback):
    def __init__(self, rounds: Rounds, images: int, device: str):
        self.rounds, self.images, self.device = rounds, images, device

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.rounds.next(self.images, self.device)


def main(batch_size: int, steps: int | None, device: str) -> None:
    rounds, data = Rounds(), splits(steps, batch_size)
    train, val = Images(*data["train"]), Images(*data["val"])
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [
            Timer(rounds, len(train), device), TQDMProgressBar(), EarlyStopping("val/acc", patience=10**6, mode="max"),
            ModelCheckpoint(folder, monitor="val/acc", mode="max", save_last=True),
        ]  # fmt: skip
        trainer = pl.Trainer(
            accelerator={"cuda": "gpu"}.get(device, device), devices=1, max_epochs=-1, callbacks=callbacks,
            logger=TensorBoardLogger(folder), default_root_dir=folder, num_sanity_val_steps=0,
        )  # fmt: skip
        loaders = DataLoader(train, batch_size, shuffle=True), DataLoader(val, batch_size)
        trainer.fit(Module(train.images[0].size), *loaders)


if __name__ == "__main__":
    main(**options())
