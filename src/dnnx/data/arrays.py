"""ArrayData: examples in memory, of any shape, with classes, numbers or label maps as targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from dnnx.basics.at_work import Check
from dnnx.basics.errors import UserError, check_arguments, choose, require
from dnnx.basics.seeding import generator
from dnnx.data import targets
from dnnx.data.augment import Augmentation, Augmented
from dnnx.data.checks import DATA_CHECKS
from dnnx.data.loaders import Chunks, EvalBatches, TrainBatches, as_input
from dnnx.data.readers.arrays import ArrayReader
from dnnx.data.readers.known import usual_reader
from dnnx.data.readers.reader import Reader
from dnnx.data.replicas import OfReplicas
from dnnx.data.scaling import standardize, unequal_scales
from dnnx.data.splitting import complete, told_of
from dnnx.data.weights import example_weights
from dnnx.data.whole_numbers import WholeNumbers

EVAL_BATCH = 1024  # examples per forward pass of an evaluation; no result depends on it
Examples = tuple[Tensor, Tensor]  # x [N, *in_shape] float32 or int64, y [N, ...] int64 or float32


@dataclass
class Arrays:
    """The content of a data set before anything is scaled or drawn."""

    splits: dict[str, Examples]  # train, val, test
    provenance: dict[str, Any]  # source, note, warning, files
    class_names: list[str] | None = None  # None: those of the labels 0 to C-1, or no classes
    weights: Tensor | None = None  # of the training examples, [N]
    reader: Reader | None = None  # of new examples, for predictions; None: that of their shape and type
    test_images: Tensor | None = None  # pixels of the test split, uint8 [N, channels, H, W]


@dataclass(eq=False, repr=False, kw_only=True)
class ArrayData(OfReplicas, WholeNumbers, pl.LightningDataModule):
    """Data in memory, from tensors or arrays. A subclass reads its own from somewhere: it overrides `read`.

    `splits` maps train, val and test to x [N, *in_shape] and y [N, ...]; where each seed has its own part of a split,
    `rows` maps it to their places, [R, n]. Images of uint8 become float32 in [0, 1].

    Example: `ArrayData(seeds=[0, 1], x=x, y=y)` with x [N, T, F] and y [N] splits the examples 70 : 15 : 15.
    """

    seeds: Sequence[int]
    x: Any = None  # all examples, which `split` parts
    y: Any = None
    given: Mapping[str, tuple[Any, Any]] | None = (
        None  # or the three splits: {"train": (x, y), "val": ..., "test": ...}
    )
    batch_size: int = 32
    standardize: bool = False  # every feature to mean 0, standard deviation 1 over all training examples
    train_size: int | None = None  # training examples that each seed draws for itself; fewer are among the more
    batches_per_epoch: int | None = None  # validation and early stopping come after so many; None: after all examples
    augment: Mapping[str, Any] | None = None
    class_weights: str | Sequence[float] | None = None  # of the loss: balanced, or a number for each class
    kind: str = "auto"  # classes, numbers, or auto: whole numbers are classes
    split: Sequence[float] = (0.7, 0.15, 0.15)  # shares for train, val, test of what comes unsplit
    order_seed: int = 0  # draws that split

    checks: ClassVar[tuple[Check, ...]] = DATA_CHECKS
    items: ClassVar[str] = "examples"
    multiple: ClassVar[int] = 1  # a batch holds a multiple of it
    foldable: ClassVar[bool] = True
    in_bytes: ClassVar[bool] = False  # pixels of uint8 stay so in memory, a quarter of float32, until standardized
    of_seeds: ClassVar[tuple[str, ...]] = ("batch_size", "train_size", "batches_per_epoch")  # not read by `prepare`
    refused: ClassVar[tuple[str, ...]] = ()  # fields without effect on this kind of data

    def __post_init__(self) -> None:
        super().__init__()
        each, told = self.batches_per_epoch, "null, or a whole number of batches, for example data.batches_per_epoch=50"
        require(each is None or (type(each) is int and each >= 1), "data.batches_per_epoch", each, told)
        check_arguments("data.augment", Augmentation, self.augment or {})
        self.augmentation = Augmentation(**self.augment or {})
        self.is_set_up = False
        self.provenance: dict[str, Any] = {}
        self.splits: dict[str, Examples] = {}
        self.rows: dict[str, Tensor] = {}
        self.features: dict[str, tuple[Tensor, Tensor, Tensor]] = {}  # computed once by frozen layers, for x
        self.scaling: tuple[Tensor, Tensor] | None = None  # mean and scale, each of in_shape
        self.weights: Tensor | None = None  # of the training examples
        self.test_images: Tensor | None = None
        self.reader: Reader = ArrayReader()  # of new examples, for predictions

    def read(self) -> Arrays:
        """Return the content. Raise UserError for unusable data."""
        given = dict(self.given) if self.given else {"all": (self.x, self.y)}
        splits = {name: (_tensor(x), _tensor(y)) for name, (x, y) in given.items()}
        if self.standardize:  # in place, which must not change the caller's arrays
            splits = {name: (x.clone(), y) for name, (x, y) in splits.items()}
        if self.kind == "numbers":
            splits = {name: (x, y.float()) for name, (x, y) in splits.items()}
        note = f"arrays in memory{told_of(list(splits), self.split, self.order_seed)}"
        whole = complete(splits, self.split, self.order_seed)
        return Arrays(whole, {"source": "arrays", "note": note, "warning": "", "files": {}})

    def setup(self, stage: str | None = None) -> None:
        if self.is_set_up:
            return
        for name in self.refused:
            value = getattr(self, name)
            require(not value, f"data.{name}", value, f"without effect on {self.items}; leave it out")
        if not self.splits:
            self.prepare()
        self.is_set_up, self.provenance = True, dict(self.provenance)
        self.rows = self.draw_rows()
        if self.train_size is not None:
            self.rows["train"] = draw(len(self.splits["train"][1]), self.train_size, self.seeds)

    def prepare(self) -> None:
        """Read and scale everything that is the same for all seeds; jobs of a study share the result."""
        choose("data.kind", self.kind, dict.fromkeys(("auto", "classes", "numbers")))
        require(isinstance(self.standardize, bool), "data.standardize", self.standardize, "true or false")
        found = self.read()
        require(set(found.splits) == {"train", "val", "test"}, "data", list(found.splits), "train, val and test needed")
        self.provenance = found.provenance
        self.reader = found.reader or usual_reader(found.splits["test"][0])
        keep = self.in_bytes and not self.standardize
        self.splits, self.test_images = _as_inputs(found.splits, keep), found.test_images
        if self.test_images is None:
            self.test_images = _pictures(found.splits["test"][0])
        self.is_whole = self.splits["train"][0].dtype == torch.int64
        if self.is_whole and self.standardize:
            self.give_floats(True)
            self.is_whole = False
        self.in_shape = tuple(self.splits["train"][0].shape[1:])
        self.splits, self.num_classes, self.class_names = targets.settle(self.splits, self.kind, found.class_names)
        self.target_shape = tuple(self.splits["train"][1].shape[1:])
        self.weights = example_weights(self.class_weights, found.weights, self.splits["train"][1], self.num_classes)
        require(not self.augmentation or len(self.in_shape) == 3, "data.augment", self.augment, "only for images")
        self.augmentation.check_pixels(self.splits["train"][0])
        if self.standardize:
            self.scaling = standardize({name: x for name, (x, _) in self.splits.items()})
        elif self.provenance["source"] in ("arrays", "npz"):
            self.provenance["warning"] = unequal_scales(self.splits["train"][0])

    def draw_rows(self) -> dict[str, Tensor]:
        """Return the rows [R, n] of those splits of which each seed has its own part."""
        return {}

    def check_batch_size(self, least: int) -> None:
        """Raise UserError unless the training examples fill a batch of at least `least`; batch norm needs 2."""
        n, size = self.sizes["train"], self.batch_size
        least = max(least, self.multiple)
        valid = type(size) is int and least <= size <= n and size % self.multiple == 0
        whole = "a whole number" if self.multiple == 1 else f"a multiple of {self.multiple}"
        require(valid, "data.batch_size", size, f"{whole} from {least} to the {n} training {self.items}")

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of examples of each split, for one seed."""
        return {name: self.rows[name].shape[1] if name in self.rows else len(y) for name, (_, y) in self.splits.items()}

    def inputs(self, split: str) -> Tensor:
        """Return the examples of a split as a net takes them, [N, *in_shape]."""
        return as_input(self.splits[split][0])

    def to(self, device: torch.device) -> None:
        """Move every split to `device`, once; batches are then gathered there."""
        self.splits = {name: (x.to(device), y.to(device)) for name, (x, y) in self.splits.items()}
        self.rows = {name: rows.to(device) for name, rows in self.rows.items()}
        self.weights = None if self.weights is None else self.weights.to(device)

    def train_dataloader(self) -> Chunks:
        trainer = self.trainer
        assert trainer is not None, "the trainer knows the epoch"
        x, y, rows = self.features.get("train") or (*self.splits["train"], self.rows.get("train"))
        weights = self._weights_of_features() if "train" in self.features else self.weights
        epoch, each = (lambda: trainer.current_epoch), self.batches_per_epoch
        batches = TrainBatches(x, y, self.batch_size, self.seeds, epoch, rows, weights, each)
        return Chunks(Augmented(batches, self.augmentation, self.scaling) if self.augmentation else batches)

    def _weights_of_features(self) -> Tensor | None:
        """Return the weights of cached features, which are concatenated over seeds."""
        if self.weights is None or "train" not in self.rows:
            return None if self.weights is None else self.weights.repeat(len(self.seeds))
        return self.weights[self.rows["train"]].flatten()

    def val_dataloader(self) -> Any:
        if "val" in self.features:
            x, y, rows = self.features["val"]
            return EvalBatches(x, y, EVAL_BATCH, rows)
        return self.eval_dataloader("val")

    def eval_dataloader(self, split: str) -> Any:
        return EvalBatches(*self.splits[split], EVAL_BATCH, self.rows.get(split))

    @property
    def test_pictures(self) -> Any:
        """Return a function of indices [K] of test examples to their pixels [K, H, W, channels], uint8; or None."""
        return None if self.test_images is None else partial(self.pictures, self.test_images)

    def pictures(self, images: Tensor, index: Tensor) -> Tensor:
        return images[index.cpu()].permute(0, 2, 3, 1)


def draw(available: int, n: int, seeds: Sequence[int]) -> Tensor:
    """Return each seed's own `n` of the available training examples, [R, n]. Raise UserError if there are fewer."""
    valid = type(n) is int and 1 <= n <= available
    told = f"a whole number from 1 to {available:,}, the training examples that there are, or null for all of them"
    require(valid, "data.train_size", n, told)
    return torch.stack([torch.randperm(available, generator=generator(seed, "draw"))[:n] for seed in seeds])


def _tensor(values: Any) -> Tensor:
    if values is None:
        raise UserError("data: x and y are needed, or given={'train': (x, y), 'val': (x, y), 'test': (x, y)}")
    return values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))


def _as_inputs(splits: Mapping[str, Examples], keep: bool) -> dict[str, Examples]:
    """Return the splits with x float32 (pixels of uint8 in [0, 1]), or int64 for other whole numbers such as tokens.

    `keep` leaves pixels as they are; the loaders then turn each batch into numbers. Two splits of the same examples, of
    which each seed draws its own rows, share them.
    """
    shapes = {name: tuple(x.shape[1:]) for name, (x, _) in splits.items()}
    require(len(set(shapes.values())) == 1, "data", shapes, "the examples of all splits must have one shape")
    shape = next(iter(shapes.values()))
    told = "an example needs one feature or more; one number an example is x[:, None], of the shape [N, 1]"
    require(len(shape) > 0 and 0 not in shape, "data", f"x {['N', *shape]}".replace("'", ""), told)
    for name, (x, y) in splits.items():
        told = "as many targets as examples, and at least one"
        require(len(x) == len(y) > 0, "data", f"{len(x)} examples and {len(y)} targets in {name}", told)
        require(not x.is_floating_point() or bool(x.isfinite().all()), "data", name, "x holds NaN or infinite numbers")
    inputs = {id(x): x if keep and x.dtype == torch.uint8 else as_input(x) for x, _ in splits.values()}
    return {name: (inputs[id(x)], y) for name, (x, y) in splits.items()}


def _pictures(x: Tensor) -> Tensor | None:
    """Return the pixels of x, uint8 [N, channels, H, W], if x can be shown, else None."""
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        return None
    if x.dtype == torch.uint8:
        return x
    return (x * 255).round().to(torch.uint8) if x.is_floating_point() and x.min() >= 0 and x.max() <= 1 else None
