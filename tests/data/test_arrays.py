"""Arrays in memory keep their shape; labels, numbers and maps are told apart; every mistake is one line."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.data.arrays import ArrayData
from dnnx.data.folds import make_folds


def arrays(x: Any, y: Any, **settings: Any) -> ArrayData:
    data = ArrayData(seeds=[0, 1], x=x, y=y, **{"batch_size": 4, **settings})
    data.setup()
    data.trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    return data


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("shape", [(5,), (7, 3), (3, 8, 6), (2, 3, 4, 5)])
def test_examples_keep_their_shape(shape: tuple[int, ...]) -> None:
    data = arrays(noise(40, *shape), np.arange(40) % 3)
    assert (data.in_shape, data.num_classes, data.target_shape) == (shape, 3, ())
    x, y = next(iter(data.train_dataloader().batches))
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((2, 4, *shape), (2, 4), torch.float32, torch.int64)
    x, y = next(iter(data.eval_dataloader("test")))
    assert x.shape[1:] == shape
    assert len(x) == len(y) == data.sizes["test"]


def test_every_example_is_in_one_split_and_classes_are_shared_evenly() -> None:
    x = np.arange(100.0)[:, None]
    data = arrays(x, np.arange(100) % 2)
    assert data.sizes == {"train": 68, "val": 16, "test": 16}
    assert sorted(torch.cat([x for x, _ in data.splits.values()]).flatten().tolist()) == x.flatten().tolist()
    assert all(abs(int(y.sum()) * 2 - len(y)) <= 1 for _, y in data.splits.values())


def test_the_split_follows_order_seed_and_never_the_seeds() -> None:
    x, y = np.arange(100.0)[:, None], np.arange(100) % 2
    one, same, other = arrays(x, y), ArrayData(seeds=[7], x=x, y=y), arrays(x, y, order_seed=1)
    same.setup()
    assert torch.equal(one.splits["test"][0], same.splits["test"][0])
    assert not torch.equal(one.splits["test"][0], other.splits["test"][0])


def test_numbers_and_maps_and_tokens() -> None:
    numbers = arrays(noise(40, 3), noise(40))
    assert (numbers.num_classes, numbers.target_shape, numbers.class_names) == (None, (), [])
    assert arrays(noise(40, 3), noise(40, 2)).target_shape == (2,)
    whole = arrays(noise(40, 3), np.arange(40), kind="numbers")
    assert whole.splits["train"][1].dtype == torch.float32
    maps = arrays(noise(40, 1, 4, 4), (noise(40, 4, 4) > 0).astype(int))
    assert (maps.num_classes, maps.target_shape) == (2, (4, 4))
    assert next(iter(maps.train_dataloader().batches))[1].shape == (2, 4, 4, 4)
    tokens = arrays(np.arange(80).reshape(40, 2), np.arange(40) % 2)
    assert tokens.splits["train"][0].dtype == torch.int64


def test_pixels_become_shares_and_pictures_are_the_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 4)).astype(np.uint8)
    data = arrays(images, np.arange(40) % 2)
    x = data.splits["test"][0]
    assert 0 <= x.min() < x.max() <= 1
    picture = data.test_pictures(torch.tensor([1]))[0]
    torch.testing.assert_close(picture.permute(2, 0, 1).float() / 255, x[1])
    assert arrays(noise(40, 5), np.arange(40) % 2).test_pictures is None


def test_standardizing_leaves_the_arrays_of_the_caller_as_they_are() -> None:
    x, y = noise(60, 4).astype(np.float32), np.arange(60) % 2
    before = x.copy()
    given = {"train": (x, y), "val": (x, y), "test": (x[:20], y[:20])}
    data = ArrayData(seeds=[0], given=given, standardize=True)
    data.setup()
    assert np.array_equal(x, before)
    for split, n in (("train", 60), ("val", 60), ("test", 20)):
        expected = (x - x.mean(0)) / x.std(0)
        assert data.splits[split][0].numpy() == pytest.approx(expected[:n], abs=1e-5), split


def test_standardized_by_the_training_examples_alone() -> None:
    data = arrays(5 + 3 * noise(60, 4, 2), np.arange(60) % 2, standardize=True)
    x = data.splits["train"][0]
    torch.testing.assert_close(x.mean(0), torch.zeros(4, 2), atol=1e-5, rtol=0)
    assert data.scaling is not None
    assert data.scaling[0].shape == (4, 2)
    assert abs(data.splits["test"][0].mean()) > 1e-3


def test_a_feature_that_is_constant_in_training_is_only_shifted() -> None:
    x, y = np.full((90, 1), 0.1, np.float32), np.arange(90) % 2
    data = ArrayData(seeds=[0], given={"train": (x, y), "val": (x, y), "test": (x + 0.4, y)}, standardize=True)
    data.setup()
    assert data.scaling is not None
    assert data.scaling[1].item() == 1
    assert data.splits["train"][0].abs().max() == 0
    torch.testing.assert_close(data.splits["test"][0], torch.full((90, 1), 0.4))


def test_numbers_are_dealt_into_folds() -> None:
    folded = make_folds(arrays(noise(40, 3), np.arange(40.0)), 3, seed=0)
    means = [folded.splits["val"][1][rows].mean().item() for rows in folded.rows["val"]]
    assert max(means) - min(means) < 4


@pytest.mark.parametrize(
    ("x", "y", "settings", "says"),
    [
        (noise(40, 3), np.arange(40) % 2 + 1, {}, "labels must be 0 to 1, found 1, 2; subtract or map them"),
        (noise(40, 3), np.zeros(40, int), {}, "every training label is 0"),
        (noise(40, 3), np.full(40, 2.5), {}, r"every training target is 2\.5: a target must vary"),
        (noise(40, 3), np.arange(40) + 0.5, {"kind": "classes"}, r"data\.kind=classes: labels must be whole numbers"),
        (noise(40, 3), np.arange(39), {}, "data=40 examples and 39 targets"),
        (noise(40, 3) / 0, np.arange(40) % 2, {}, "x holds NaN or infinite numbers"),
        (noise(40, 3), np.arange(40) % 2, {"split": [0.5, 0.5]}, r"data\.split=\[0\.5, 0\.5\]: three shares"),
        (noise(40, 3), np.arange(40) % 2, {"kind": "labels"}, r"data\.kind=labels: choose one of auto, classes"),
        (noise(40, 3), np.arange(40) % 2, {"augment": {"shift": 1}}, r"data\.augment=.*only for images"),
        (noise(4, 3), np.array([0, 0, 0, 1]), {}, "class 1 has 1 example; train, val and test need one each"),
        (None, None, {}, "x and y are needed"),
        (
            np.arange(40.0),
            np.arange(40) % 2,
            {},
            r"data=x \[N\]: an example needs one feature or more; .* x\[:, None\]",
        ),
        (np.zeros((40, 0)), np.arange(40) % 2, {}, r"data=x \[N, 0\]: an example needs one feature or more"),
        (np.zeros((0, 3)), np.zeros(0, int), {}, "data=0 examples and 0 targets: as many .* and at least one"),
        (np.zeros((0, 3)), np.zeros(0), {}, "data=0 examples and 0 targets: as many .* and at least one"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_mistake_is_one_line(x: Any, y: Any, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        arrays(x, y, **settings)
    assert "\n" not in str(error.value)


# --- weights


def test_balanced_weights_give_every_class_the_same_total() -> None:
    y = np.array([0] * 30 + [1] * 10)
    data = arrays(noise(40, 3), y, class_weights="balanced")
    labels = data.splits["train"][1]
    assert data.weights is not None
    totals = [data.weights[labels == label].sum().item() for label in (0, 1)]
    assert totals[0] == pytest.approx(totals[1])
    assert data.weights.mean().item() == pytest.approx(1)


def test_a_training_batch_carries_the_weights_of_its_examples() -> None:
    data = arrays(np.arange(40.0)[:, None], np.arange(40) % 2, class_weights=[1, 3])
    for x, y, w in data.train_dataloader().batches:
        assert torch.equal(w, 1.0 + 2 * y)
        assert torch.equal(x[..., 0] % 2, y.float())
    assert len(next(iter(data.eval_dataloader("train")))) == 2


@pytest.mark.parametrize("weights", ["even", [1], [1, -1], [0, 0]])
def test_bad_class_weights_are_one_line(weights: Any) -> None:
    with pytest.raises(UserError, match=r"data\.class_weights=.*: balanced, or a list of 2 numbers"):
        arrays(noise(40, 3), np.arange(40) % 2, class_weights=weights)
    with pytest.raises(UserError, match=r"data\.class_weights=balanced: only for one label per example"):
        arrays(noise(40, 3), noise(40), class_weights="balanced")


def test_features_of_very_different_scales_are_told() -> None:
    x = noise(40, 4) * np.array([0.01, 0.1, 10.0, 100.0])
    assert "data.standardize=true" in arrays(x, np.arange(40) % 2).provenance["warning"]
    assert arrays(x, np.arange(40) % 2, standardize=True).provenance["warning"] == ""
    assert arrays(noise(40, 4), np.arange(40) % 2).provenance["warning"] == ""


def test_an_epoch_may_have_any_number_of_batches() -> None:
    data = arrays(noise(40, 5), np.arange(40) % 3, batches_per_epoch=3)
    assert len(data.train_dataloader().batches) == 3
    assert len(list(data.train_dataloader().batches)) == 3
    for wrong in (0, 1.5, True):
        with pytest.raises(UserError, match=rf"data\.batches_per_epoch={wrong}: null, or a whole number of batches"):
            arrays(noise(40, 5), np.arange(40) % 3, batches_per_epoch=wrong)
