"""Segmentation: IoU by its definition, metrics of a split, wrong targets, and a training to its report."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from commands import typed
from made_up_pets import pets
from PIL import Image
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.tasks.scores import top_k
from dnnx.tasks.segmentation import Segmentation, counts, iou


def logits_of(masks: Tensor, num: int = 3) -> Tensor:
    """Return logits whose largest is that of the class in the mask."""
    return torch.nn.functional.one_hot(masks, num).movedim(-1, 1).float() * 5


@pytest.fixture
def made() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    true, said = torch.randint(3, (4, 6, 5), generator=g), torch.randint(3, (4, 6, 5), generator=g)
    return logits_of(said), true


def test_iou_is_intersection_over_union_of_the_whole_split(made: tuple[Tensor, Tensor]) -> None:
    outputs, y = made
    said = outputs.argmax(1)
    expected = [((said == c) & (y == c)).sum().item() / ((said == c) | (y == c)).sum().item() for c in range(3)]
    task = Segmentation()
    found = task.measure(task.summary(outputs, y), y)
    assert found["iou"] == pytest.approx(expected)
    assert found["mean_iou"] == pytest.approx(sum(expected) / 3)
    assert found["pixel_accuracy"] == pytest.approx((said == y).double().mean().item())
    assert found["loss"] == pytest.approx(torch.nn.functional.cross_entropy(outputs, y).item(), rel=1e-6)
    assert set(found) == set(task.metrics)


def test_the_majority_is_the_best_constant(made: tuple[Tensor, Tensor]) -> None:
    _, y = made
    constant = y.flatten().mode().values.item()
    outputs = logits_of(torch.full_like(y, constant))
    task = Segmentation()
    found = task.measure(task.summary(outputs, y), y)
    assert found["pixel_accuracy"] == found["majority_accuracy"]
    assert found["majority_iou"] == pytest.approx(found["mean_iou"])


def test_a_class_that_is_nowhere_counts_in_no_mean() -> None:
    y = torch.tensor([[[0, 1], [1, 1]]])
    assert iou(counts(logits_of(y), y)[0])[2].isnan()
    task = Segmentation()
    assert task.measure(task.summary(logits_of(y), y), y)["mean_iou"] == 1


def test_pixel_accuracy_of_an_epoch_is_that_of_the_split(made: tuple[Tensor, Tensor]) -> None:
    outputs, y = made
    task = Segmentation()
    mean = task.per_example(outputs, y)["pixel_accuracy"].mean().item()
    assert mean == pytest.approx(task.measure(task.summary(outputs, y), y)["pixel_accuracy"], rel=1e-6)


def test_targets_that_are_no_masks_are_one_line() -> None:
    with pytest.raises(UserError, match=r"task=segmentation: the targets are no masks of classes \[H, W\]"):
        Segmentation().num_outputs(SimpleNamespace(target_shape=(), num_classes=10))


def test_top_k_counts_a_class_among_the_k_most_probable() -> None:
    outputs, y = torch.tensor([[3.0, 2, 1], [3, 2, 1], [3, 2, 1]]), torch.tensor([0, 1, 2])
    assert [top_k(outputs, y, k) for k in (1, 2, 3, 5)] == pytest.approx([1 / 3, 2 / 3, 1, 1])


SMALL: list[Any] = [
    "task=segmentation", "data=pets", "data.resize=[16,16]", "data.batch_size=2", "net.width=0.125", "seeds=2",
    "trainer.max_epochs=2", "data.augment.flip=true", "jobs=1",
]  # fmt: skip


def test_a_segmentation_trains_from_the_command_line_to_a_report_with_masks(tmp_path: Path) -> None:
    words = [*SMALL, f"data.root={pets(tmp_path / 'pets')}", "net=unet", f"paths.outputs={tmp_path / 'outputs'}"]
    code, said = typed("train", *words, cwd=tmp_path)
    assert code == 0, said
    run = tmp_path / "outputs" / "train" / "latest"
    code, said = typed("compare", str(run.resolve()), cwd=tmp_path)
    assert code == 0, said
    [figure] = tmp_path.glob("outputs/**/masks.png")
    with Image.open(figure) as image:
        assert image.size[0] > 100
