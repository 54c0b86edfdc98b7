"""CIFAR-10 as data: sizes, classes, standardization by the training images, and the pixels that pictures need."""

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import compose
from made_up_cifar10 import expect_few, image_files, packed
from splits import splits

from dnnx.basics.errors import UserError
from dnnx.data import images
from dnnx.data.cifar10 import CIFAR10
from dnnx.data.digits import Digits
from dnnx.data.scaling import CHUNK, standardize
from dnnx.data.sources import load
from dnnx.tasks.classification import Classification
from dnnx.training.assemble import build_data


def set_up(root: Path, source: str = "synthetic", **arguments: object) -> CIFAR10:
    data = CIFAR10(seeds=[0, 1], root=str(root), source=source, **arguments)  # type: ignore[arg-type]
    data.setup()
    return data


def test_the_real_splits_have_the_known_sizes_and_are_standardized(real_cifar10: Path) -> None:
    data = set_up(real_cifar10, "cifar10")
    assert data.sizes == {"train": 45_000, "val": 5_000, "test": 10_000}
    assert all((y.bincount() * 10 == len(y)).all() for _, y in data.splits.values())
    assert data.class_names[:3] == ["airplane", "automobile", "bird"]
    x = data.splits["train"][0]
    assert x.mean(0).abs().max() < 1e-4
    assert (x.std(0) - 1).abs().max() < 1e-3
    assert data.test_images is not None
    assert data.test_images.shape == (10_000, 3, 32, 32)


def test_image_files_become_splits_with_provenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_few(monkeypatch)
    packed(tmp_path, image_files("JPEG"))
    data = set_up(tmp_path, "cifar10", batch_size=4)
    assert data.sizes == {"train": 40, "val": 20, "test": 20}
    assert (data.in_shape, data.num_classes, data.class_names[9]) == ((3, 32, 32), 10, "truck")
    assert "JPEG re-encoded" in data.provenance["note"]
    assert list(data.provenance["files"]) == ["names and contents"]


def test_every_feature_is_standardized_by_the_training_images_alone(tmp_path: Path) -> None:
    data = set_up(tmp_path)
    parts = {name: x / 255 for name, (x, _) in splits(load("synthetic", tmp_path)).items()}
    mean, std = parts["train"].mean(0), parts["train"].std(0)
    for name, (x, y) in data.splits.items():
        torch.testing.assert_close(x.double(), torch.from_numpy((parts[name] - mean) / std), atol=1e-5, rtol=1e-5)
        assert (x.dtype, y.dtype, x.is_contiguous()) == (torch.float32, torch.int64, True)


def test_other_validation_and_test_images_change_nothing_about_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = load("synthetic", tmp_path)
    before = set_up(tmp_path).splits["train"][0]
    source.train_images[: source.num_val] //= 3
    source.test_images[:] //= 3
    monkeypatch.setattr(images, "load", lambda *_: source)
    assert torch.equal(set_up(tmp_path).splits["train"][0], before)


def test_a_constant_feature_is_shifted_to_0() -> None:
    train, test = torch.rand(1000, 3), torch.rand(10, 3)
    train[:, 1], test[0, 1] = 0.3, 0.8
    standardize({"train": train, "test": test})
    assert (train[:, 1] == 0).all()
    torch.testing.assert_close(test[0, 1], torch.tensor(0.5))
    assert test.isfinite().all()


def test_no_more_than_a_chunk_is_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, double = [], torch.Tensor.double

    def watched(x: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        return double(x)

    monkeypatch.setattr(torch.Tensor, "double", watched)
    standardize({"train": torch.rand(1000, 3)})
    assert sum(sizes) == 1000
    assert max(sizes) == CHUNK


@pytest.mark.parametrize("standardized", [True, False])
def test_pictures_are_the_pixels_as_they_were(tmp_path: Path, standardized: bool) -> None:
    data, source = set_up(tmp_path, standardize=standardized), load("synthetic", tmp_path)
    y = data.splits["test"][1]
    log_probabilities = torch.rand(len(y), 10, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    hardest = Classification().predictions(log_probabilities[None], y, log_probabilities, data)
    expected = source.test_images[hardest["hardest_index"]].transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(hardest["hardest_images"], expected)


def test_pictures_of_chosen_classes_are_of_the_split(tmp_path: Path) -> None:
    data = Digits(seeds=[0], root=str(tmp_path), source="digits", standardize=True)
    data.setup()
    plain = Digits(seeds=[0], root=str(tmp_path), source="digits")
    plain.setup()
    assert data.test_images is not None
    torch.testing.assert_close(data.test_images / 255, plain.splits["test"][0])
    assert not torch.equal(data.splits["test"][0], plain.splits["test"][0])


@pytest.mark.parametrize("name", ["auto", "mnist", "digits", "cifar"])
def test_a_source_of_other_images_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"data\.source={name}: choose one of cifar10, synthetic"):
        set_up(tmp_path, name)
    with pytest.raises(UserError, match=r"data\.source=synthetic: choose one of auto, mnist, digits"):
        Digits(seeds=[0], root=str(tmp_path), source="synthetic").setup()


def test_standardize_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.standardize=per_feature: true or false"):
        set_up(tmp_path, standardize="per_feature")


def test_the_config_is_standardized(tmp_path: Path) -> None:
    data = build_data(compose("data=cifar10", "data.source=synthetic", f"paths.data={tmp_path}"), [0])
    assert abs(data.splits["train"][0].mean()) < 1e-5
    assert data.splits["train"][0].min() < -1
