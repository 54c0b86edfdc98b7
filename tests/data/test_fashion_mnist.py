"""Fashion-MNIST: names of classes, official splits, and a folder that is absent."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dnnx.basics.errors import UserError
from dnnx.data.fashion_mnist import FashionMNIST


def test_the_files_of_mnist_s_format_get_the_names_of_clothes(tiny_mnist: Callable[..., Path]) -> None:
    data = FashionMNIST(seeds=[0], root=str(tiny_mnist() / "MNIST" / "raw"), num_val=10)
    data.setup()
    assert data.class_names[0] == "T-shirt"
    assert data.provenance["source"] == "fashion_mnist"


def test_the_real_one_has_its_published_sizes(real_fashion: Path) -> None:
    data = FashionMNIST(seeds=[0], root=str(real_fashion))
    data.setup()
    assert data.sizes == {"train": 55_000, "val": 5_000, "test": 10_000}
    assert data.splits["test"][1].bincount().tolist() == [1000] * 10


def test_an_absent_folder_is_one_line() -> None:
    with pytest.raises(UserError, match=r"data\.root=absent: Fashion-MNIST is not there; put its four IDX files"):
        FashionMNIST(seeds=[0], root="absent").setup()
