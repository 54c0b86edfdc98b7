"""Pairs: one logit is two classes, a seed among others is that seed alone, the threshold comes from validation."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from commands import compose
from modules import pairs as make_pairs
from rebuilt import rebuilt
from safetensors.torch import load_file
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.evaluate import evaluate
from dnnx.nets.twin_tower import TwinTower
from dnnx.tasks.scores import best_threshold
from dnnx.train import train
from dnnx.training.replicas import Replicas

NETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bn": {"norm": "batch"},
    "dropout": {"dropout": 0.2},
    "siamese": {"shared": True, "norm": "batch"},
}
SMALL = [
    "+exp=pairs", "data.source=digits", "net.hidden=[20,10]", "trainer.max_epochs=3", "data.batch_size=64",
    "~callbacks.progress",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three seeds."""
    made = tmp_path_factory.mktemp("pairs") / "run"
    train(compose(*SMALL, "seeds=3"), made)
    return made


def batches(seeds: list[int], n: int = 20) -> Iterable[tuple[Tensor, Tensor]]:
    """Ten batches of pairs, each seed's own."""
    for step in range(10):
        g = [torch.Generator().manual_seed(100 * seed + step) for seed in seeds]
        yield torch.stack([torch.rand(n, 2, 12, generator=of) for of in g]), torch.arange(n).expand(len(seeds), n) % 2


def trained(seeds: list[int], net: dict) -> Replicas:
    module = make_pairs(12, {"hidden": [9, 8], **net}, seeds)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for x, y in batches(seeds):
        loss = module.losses(module(x), y).mean(-1).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.replicas


@pytest.mark.parametrize("net", NETS)
def test_a_seed_trained_among_others_is_that_seed_alone(net: str) -> None:
    among = trained([3, 7, 11], NETS[net])
    assert among.way == "batched"
    for r, seed in enumerate([3, 7, 11]):
        for name, value in trained([seed], NETS[net]).stacked_state().items():
            torch.testing.assert_close(among.stacked_state()[name][r], value[0], rtol=1e-4, atol=1e-5, msg=name)


def test_one_replica_is_the_plain_network() -> None:
    module, [(x, _), *_] = make_pairs(12, {"hidden": [9, 8]}, [3]), list(batches([3]))
    net = module.replicas.net
    assert isinstance(net, TwinTower)
    assert torch.equal(module(x)[0, :, 1], net(x[0]))
    assert torch.equal(module(x[0])[0, :, 1], net(x[0]))  # one batch for all


def test_the_loss_is_binary_cross_entropy_on_the_logit() -> None:
    module, [(x, y), *_] = make_pairs(12, {"hidden": [9, 8]}, [3, 7]), list(batches([3, 7]))
    z = module.replicas(x)
    expected = F.binary_cross_entropy_with_logits(z, y.float(), reduction="none")
    torch.testing.assert_close(module.losses(module(x), y), expected)


def test_the_threshold_is_each_seeds_own_of_validation(folder: Path) -> None:
    module, data = rebuilt(folder)
    results = evaluate(compose(f"run={folder}", name="evaluate"))
    logits, y = module.predict(data.eval_dataloader("val"))
    assert results["test/threshold"] == pytest.approx([best_threshold(of_seed, y) for of_seed in logits])
    together = module.task.ensemble(logits)
    assert results["ensemble/threshold"] == pytest.approx([best_threshold(together, y)])
    logits, y = module.predict(data.eval_dataloader("test"))
    p = logits.double().softmax(-1)[..., 1]
    for r, threshold in enumerate(results["test/threshold"]):
        assert results["test/accuracy"][r] == pytest.approx(((p[r] > threshold) == y).double().mean().item())
        assert results["test/accuracy_at_half"][r] == pytest.approx(((p[r] > 0.5) == y).double().mean().item())


def test_a_run_of_one_seed_is_that_seed_of_the_run_of_three(folder: Path, tmp_path: Path) -> None:
    results = train(compose(*SMALL, "seeds=[1]"), tmp_path / "alone")
    among, alone = (load_file(run / "model.safetensors") for run in (folder, tmp_path / "alone"))
    for name, value in alone.items():
        torch.testing.assert_close(among[name][1], value[0], rtol=1e-3, atol=1e-4, msg=name)
    assert results["epoch/last"] == [3]


def test_the_predictions_for_figures_are_of_the_test_set(folder: Path) -> None:
    predictions = load_file(folder / "predictions.safetensors")
    module, data = rebuilt(folder)
    assert torch.equal(predictions["labels"], data.pairs["test"][1])
    assert predictions["probabilities"].shape == (3, 360, 2)
    assert torch.equal(predictions["embedded_labels"], data.splits["test"][1])
    module.eval()
    x = data.splits["test"][0]
    _, activations = module(torch.stack([x, x], 1), return_activations=True)
    torch.testing.assert_close(predictions["embedded"], activations["tower_a.hidden_layers.1"][0])
    assert torch.equal(predictions["sample_images"], data.test_pictures(torch.arange(30)))
    points = np.loadtxt(next(folder.glob("00000/default/tensors.tsv")))
    np.testing.assert_allclose(points, predictions["embedded"], rtol=1e-5)


def test_a_tower_is_a_backbone_for_the_digits(folder: Path, tmp_path: Path) -> None:
    few = ["data=mnist_split2", "data.source=digits", "net=backbone", "+technique=pretrained", f"backbone={folder}"]
    frozen = ["techniques.pretrained.frozen=['hidden_layers.*']", "seeds=2", "trainer.max_epochs=2"]
    results = {}
    for part in ("tower_a", "tower_b"):
        run = tmp_path / part
        results[part] = train(compose(*few, *frozen, f"techniques.pretrained.part={part}"), run)
        theirs, ours = (load_file(made / "model.safetensors") for made in (folder, run))
        loaded = [name for name in ours if not name.startswith("output.")]
        assert {f"{part}.{name}" for name in loaded} == {name for name in theirs if name.startswith(part)}
        assert all(torch.equal(ours[name], theirs[f"{part}.{name}"][:2]) for name in loaded)
    cached = train(
        compose(*few, *frozen, "techniques.pretrained.part=tower_a", "techniques.pretrained.cached=true"),
        tmp_path / "cached",
    )
    for name in ("train/loss", "val/loss", "test/loss"):
        assert cached[name] == pytest.approx(results["tower_a"][name], rel=1e-6)
    with pytest.raises(UserError, match=r"techniques\.pretrained\.part=tower_c: choose one of head, tower_a, tower_b"):
        train(compose(*few, *frozen, "techniques.pretrained.part=tower_c"), tmp_path / "wrong")
