"""A LightningDataModule over a torch Dataset, as people have one; it knows nothing of dnnx. From this folder:

dnnx train data._target_=digit_data.DigitData seeds=5
"""

import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset


class Digits(Dataset):
    """scikit-learn's 1,797 digits of 8 x 8 pixels."""

    def __init__(self) -> None:
        bunch = load_digits()
        self.images = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
        self.labels = torch.tensor(bunch.target)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])


class DigitData(pl.LightningDataModule):
    """The first 1,200 digits to train on, 297 to validate, 300 to test."""

    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str | None = None) -> None:
        digits = Digits()
        self.train, self.val, self.test = (
            Subset(digits, range(*part)) for part in ((0, 1200), (1200, 1497), (1497, 1797))
        )

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.test, self.batch_size)
