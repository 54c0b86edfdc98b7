"""Speed, guarded by counts that no busy machine changes: operators per step, memory, files per epoch, imports."""

import gc
import sys
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from commands import SMOKE, compose, python
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from dnnx.data.loaders import TrainBatches
from dnnx.nets.dense import DenseNet
from dnnx.optim.fused_adam import FusedAdam
from dnnx.tasks.classification import Classification
from dnnx.train import train
from dnnx.training.assemble import assemble
from dnnx.training.merged import Arm, MergedModule, NoStep
from dnnx.training.module import ReplicaModule
from dnnx.training.replicas import Replicas

FEATURES, CLASSES, BATCH = 784, 5, 32


class Operators(TorchDispatchMode):
    """Count the operators that reach torch's kernels, backward pass and optimizer included."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.copied_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, out = func.overloadpacket.__name__, func(*args, **(kwargs or {}))
        self.calls[name] += not func.is_view
        if name in ("copy_", "clone"):
            self.copied_bytes += out.nbytes
        return out


def count_step(num_seeds: int, **net: Any) -> tuple[Operators, int]:
    """The operators of a later step, batch and all, and the bytes of the parameters."""
    seeds = list(range(num_seeds))
    replicas = Replicas(lambda: DenseNet(FEATURES, [100] * 5, CLASSES, **net), seeds)
    optimizer = FusedAdam(replicas.parameters())
    x, y = torch.rand(8 * BATCH, FEATURES), torch.zeros(8 * BATCH, dtype=torch.int64)
    batches = iter(TrainBatches(x, y, BATCH, seeds, lambda: 0))

    def step() -> None:
        x, y = next(batches)
        loss = F.cross_entropy(replicas(x).flatten(0, 1), y.flatten(), reduction="sum") / BATCH
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    step()
    with Operators() as operators:
        step()
    return operators, sum(p.nbytes for p in replicas.parameters())


@pytest.mark.parametrize("num_seeds", [1, 5])
@pytest.mark.parametrize(
    ("net", "most"),
    [({}, 56), ({"norm": "batch"}, 77), ({"dropout": 0.2}, 160)],
    ids=["plain", "batch norm", "dropout"],
)  # with 5 seeds 53, 73 and 153 when this was written
def test_a_step_takes_few_operators(num_seeds: int, net: dict[str, Any], most: int) -> None:
    operators, _ = count_step(num_seeds, **net)
    assert operators.calls.total() <= most, operators.calls


@pytest.mark.parametrize("num_seeds", [1, 5])
def test_a_step_by_hand_takes_fewer_operators(num_seeds: int) -> None:
    """45 when this was written, the 2 that gather a batch left out."""
    build = partial(DenseNet, FEATURES, [100] * 5, CLASSES)
    module = ReplicaModule(build, Classification(), range(num_seeds), (FEATURES,))
    optimizer = FusedAdam(module.parameters())
    batch = torch.rand(num_seeds, BATCH, FEATURES), torch.zeros(num_seeds, BATCH, dtype=torch.int64)
    module.learn(batch, optimizer)
    module.learn(batch, optimizer)
    with Operators() as operators:
        module.learn(batch, optimizer)
    assert module.by_hand.built
    assert operators.calls.total() <= 47, operators.calls
    assert operators.copied_bytes < 3 * 4 * num_seeds * BATCH * CLASSES


def test_more_seeds_take_no_more_operators() -> None:
    assert count_step(5)[0].calls.total() == count_step(20)[0].calls.total()


def count_merged(arms: int, folder: Path) -> Operators:
    """Return the operators of a later step of arms that train as one network, without its batch."""
    made = []
    for place in range(arms):
        cfg = compose(*SMOKE, f"optimizer.lr={1e-3 * (place + 1)}", "trainer.accelerator=cpu", "fast=false")
        made.append(Arm(*assemble(cfg, [0, 1], folder)))
    merged = MergedModule(made)
    merged.optimizers_of = {arm: arm.module.make_optimizer() for arm in made}
    num, shape = len(merged.seeds), merged.in_shape
    batch, none = (torch.rand(num, BATCH, *shape), torch.zeros(num, BATCH, dtype=torch.int64)), NoStep(merged.trained)
    for _ in range(2):
        merged.learn(batch, none)
    with Operators() as operators:
        merged.learn(batch, none)
    return operators


def test_one_arm_more_in_a_network_takes_a_step_of_its_optimizer_alone(tmp_path: Path) -> None:
    two, ten = count_merged(2, tmp_path), count_merged(10, tmp_path)
    more = ten.calls - two.calls
    assert two.calls.total() <= 60
    assert more.total() <= 8 * 4, more  # Adam's kernel, its counter, and two marks of torch's profiler


@pytest.mark.parametrize("num_seeds", [1, 5])
def test_no_step_copies_its_gradients(num_seeds: int) -> None:
    operators, parameter_bytes = count_step(num_seeds)
    assert operators.copied_bytes < parameter_bytes / 10


# --- a run


def held_bytes(module: torch.nn.Module, without: Iterable[Tensor]) -> int:
    """Return the bytes of all living tensors and of the module's gradients, except those in `without`."""
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    tensors = [t for t in gc.get_objects() if type(t) in (Tensor, torch.nn.Parameter)] + gradients
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values()) - sum(storages.get(t.untyped_storage().data_ptr(), 0) for t in without)


class Watch(pl.Callback):
    def __init__(self, data: Any):
        self.data = data

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.bytes = held_bytes(pl_module, [tensor for split in self.data.splits.values() for tensor in split])


def test_training_holds_the_data_once_and_little_beside_the_trained_tensors(tmp_path: Path) -> None:
    cfg = compose(*SMOKE, "trainer.accelerator=cpu", "net.hidden=[200,200]")
    gc.collect()
    before = held_bytes(torch.nn.Identity(), [])  # what other tests left
    data, module, trainer = assemble(cfg, list(range(10)), tmp_path)
    trainer.callbacks.append(watch := Watch(data))
    trainer.fit(module, datamodule=data)
    trained = sum(p.nbytes for p in module.parameters())
    units = 4 * 10 * cfg.data.batch_size * sum([*cfg.net.hidden, *module.in_shape])
    most = 1.3 * 4 * trained + 2 * units  # parameters, gradients, Adam's two averages; activations and their gradients
    assert watch.bytes - before <= most


WRITTEN: list[str] = []  # paths opened to write or renamed; an audit hook stays for good


def _audit(event: str, arguments: tuple) -> None:
    if event == "os.rename" or (event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1])):
        WRITTEN.append(str(arguments[0]))


def test_an_epoch_writes_to_one_file(tmp_path: Path) -> None:
    sys.addaudithook(_audit)

    def written(epochs: int) -> int:
        folder = tmp_path / str(epochs)
        train(compose(*SMOKE, f"trainer.max_epochs={epochs}", "callbacks.checkpoint.every_s=1000"), folder)
        return sum(path.startswith(str(folder)) for path in WRITTEN)

    assert written(5) - written(2) <= 3


def test_training_imports_nothing_that_only_reports_need(tmp_path: Path) -> None:
    code = """
import sys
import dnnx.train, dnnx.training.assemble, dnnx.training.callbacks.record, dnnx.data.digits, dnnx.training.module
print(sorted({"sklearn", "pandas", "tensorflow", "jax"} & set(sys.modules)))
"""
    assert python(code, tmp_path).stdout == "[]\n"
