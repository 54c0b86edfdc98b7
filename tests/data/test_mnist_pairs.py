"""The pairs and split #2: no image in two places, the same held-out pairs for all, a stream for each seed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.data.digits import Digits, split1, split2
from dnnx.data.mnist_pairs import MNISTPairs

Split2 = partial(Digits, part="split2")


def set_up(kind: Callable[..., Digits], root: Path, seeds: list[int], source: str = "digits", **settings: Any) -> Any:
    data = kind(seeds=seeds, root=str(root), source=source, **settings)
    data.setup()
    return data


def epoch_of(data: MNISTPairs, epoch: int) -> tuple[Tensor, Tensor]:
    """All training batches of an epoch: x [R, n, 2, 1, H, W], y [R, n]."""
    data.trainer = SimpleNamespace(current_epoch=epoch)  # type: ignore[assignment]
    x, y = zip(*data.train_dataloader().batches, strict=True)
    return torch.cat(x, 1), torch.cat(y, 1)


def images_of(x: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in x.flatten(0, -4)}


@given(st.lists(st.integers(22, 60), min_size=2, max_size=10))
def test_the_splits_are_disjoint_and_hold_every_image(counts: list[int]) -> None:
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    two = split2(y)
    assert all((y[rows] == label).all() for label, rows in enumerate(two))
    assert sorted([*split1(y).tolist(), *two.flatten().tolist()]) == list(range(len(y)))


def test_the_real_splits_have_the_known_sizes(mnist_root: Path) -> None:
    pairs = set_up(MNISTPairs, mnist_root, [0], "mnist")
    few = set_up(Split2, mnist_root, [0], "mnist")
    assert {split: len(y) for split, (_, y) in pairs.splits.items()} == {"train": 50_000, "val": 5_000, "test": 10_000}
    assert pairs.sizes == {"train": 50_000, "val": 10_000, "test": 10_000}
    assert few.splits["train"][1].bincount().tolist() == [400] * 10
    assert few.splits["val"][1].bincount().tolist() == [100] * 10
    assert few.sizes["test"] == 10_000


def test_no_image_is_in_two_splits(tmp_path: Path) -> None:
    pairs, few = (set_up(kind, tmp_path, [0, 1]) for kind in (MNISTPairs, Split2))
    train = set().union(*(images_of(epoch_of(pairs, epoch)[0]) for epoch in range(3)))
    val, test = (images_of(torch.cat([x for x, _ in pairs.eval_dataloader(split)])) for split in ("val", "test"))
    labelled = [images_of(few.splits[split][0]) for split in ("train", "val")]
    for held_out in (val, test, *labelled):
        assert not train & held_out
    assert not (val | test) & (labelled[0] | labelled[1])
    assert not labelled[0] & labelled[1]
    assert train <= images_of(pairs.splits["train"][0])


def test_labels_are_true_and_batches_balanced(tmp_path: Path) -> None:
    data = set_up(MNISTPairs, tmp_path, [0, 1], batch_size=6)
    digit = {x.numpy().tobytes(): int(y) for xs, ys in data.splits.values() for x, y in zip(xs, ys, strict=True)}
    data.trainer = SimpleNamespace(current_epoch=0)
    for x, y in data.train_dataloader().batches:
        assert x.shape == (2, 6, 2, 1, 8, 8)
        assert y.sum(1).tolist() == [3, 3]
        for (a, b), label in zip(x.flatten(0, 1), y.flatten(), strict=True):
            assert (digit[a.numpy().tobytes()] != digit[b.numpy().tobytes()]) == label
    for split in ("train", "val", "test"):
        rows, y = data.pairs[split]
        digits = data.splits[split][1][rows]
        assert torch.equal((digits[:, 0] != digits[:, 1]).long(), y)
        assert 2 * y.sum() == len(y)


def test_held_out_pairs_are_the_same_for_all_seeds_and_batch_sizes(tmp_path: Path) -> None:
    one, other = (set_up(MNISTPairs, tmp_path, *given) for given in ([[0]], [[5, 6], "digits"]))
    for split in ("train", "val", "test"):
        assert all(torch.equal(*both) for both in zip(one.pairs[split], other.pairs[split], strict=True))


def test_each_seed_has_a_stream_of_its_own_and_new_pairs_in_every_epoch(tmp_path: Path) -> None:
    among, alone = set_up(MNISTPairs, tmp_path, [4, 9]), set_up(MNISTPairs, tmp_path, [9])
    x, _ = epoch_of(among, 3)
    assert torch.equal(x[1:], epoch_of(alone, 3)[0])
    assert not torch.equal(x[0], x[1])
    assert not torch.equal(x, epoch_of(among, 4)[0])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"batch_size": 33}, r"data\.batch_size=33: a multiple of 2 from 2 to the 1146 training pairs"),
        ({"batch_size": 0}, r"data\.batch_size=0: a multiple of 2 from 2"),
        ({"pairs_per_epoch": 99}, r"data\.pairs_per_epoch=99: an even number"),
        ({"pairs_per_epoch": 0}, r"data\.pairs_per_epoch=0"),
        ({"batch_size": 2000}, r"data\.batch_size=2000: a multiple of 2 from 2 to the 1146 training pairs"),
    ],
)
def test_a_batch_that_cannot_be_half_and_half_is_a_one_line_error(
    tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        set_up(MNISTPairs, tmp_path, [0], **settings).check_batch_size(1)
    assert "\n" not in str(error.value)


def test_the_note_names_the_data_that_replace_mnist(tmp_path: Path) -> None:
    assert "pairs of 1,147 / 180 / 360 images" in set_up(MNISTPairs, tmp_path, [0]).provenance["note"]
    assert "split #2: 11 of each class" in set_up(Split2, tmp_path, [0]).provenance["note"]


def test_a_picture_of_a_pair_is_its_two_images_side_by_side(tmp_path: Path) -> None:
    data = set_up(MNISTPairs, tmp_path, [0])
    index = torch.tensor([3, 0])
    pictures = data.test_pictures(index)
    assert pictures.shape == (2, 8, 16, 1)
    x = data.splits["test"][0]
    for picture, (a, b) in zip(pictures, data.pairs["test"][0][index], strict=True):
        expected = torch.cat([x[a].view(8, 8), x[b].view(8, 8)], 1) * 255
        torch.testing.assert_close(picture[..., 0].float(), expected)


def test_to_moves_the_images(tmp_path: Path, device: torch.device) -> None:
    data = set_up(MNISTPairs, tmp_path, [0])
    data.to(device)
    x, y = next(iter(data.eval_dataloader("val")))
    assert {x.device.type, y.device.type} == {device.type}
    assert data.test_pictures(torch.arange(2)).shape == (2, 8, 16, 1)
