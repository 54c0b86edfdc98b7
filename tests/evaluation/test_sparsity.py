"""A network in compressed sparse rows predicts the same, and its size is that of its file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SMOKE, compose
from modules import classifier, pairs
from safetensors.torch import load_file, save_file
from torch import Tensor

from dnnx.evaluation import sparsity as sparse
from dnnx.train import train
from dnnx.training.module import ReplicaModule

SEEDS = [3, 7, 11]


def pruned(**net: Any) -> ReplicaModule:
    return with_zeros(classifier(6, 4, {"hidden": [9, 8], **net}, SEEDS))


def with_zeros(module: ReplicaModule) -> ReplicaModule:
    """Return the networks with biases and every third weight zero; in the second seed every other weight too."""
    for name, p in module.named_parameters():
        if name.endswith("bias"):
            p.data.normal_(generator=torch.Generator().manual_seed(1))
    for w in module.weights:
        w.data.view(-1)[::3] = 0
        w.data[1].view(-1)[::2] = 0
    return module.eval()


def row(module: ReplicaModule, r: int) -> dict[str, Tensor]:
    return {name: value[r] for name, value in module.replicas.stacked_state().items()}


@pytest.mark.parametrize("net", [{}, {"norm": "batch"}, {"norm": "batch", "dropout": 0.5}])
def test_the_network_of_each_seed_predicts_the_same_dense_and_sparse(net: dict[str, Any]) -> None:
    module, x = pruned(**net), torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    logits = module(x)
    for r in range(3):
        one = module.alone(row(module, r)).eval()
        torch.testing.assert_close(one(x)[0], logits[r])
        sparse.use_rows(one.replicas.net, sparse.compress(row(module, r), sparse.linear_layers(module.replicas.net)))
        assert one.replicas.net.get_submodule("output").weight.layout == torch.sparse_csr
        torch.testing.assert_close(one(x)[0], logits[r])


@pytest.mark.parametrize("shared", [False, True])
def test_two_towers_predict_the_same_dense_and_sparse(shared: bool) -> None:
    module = with_zeros(pairs(6, {"hidden": [9, 8], "shared": shared}, SEEDS))
    x = torch.randn(20, 2, 6, generator=torch.Generator().manual_seed(0))
    one = module.alone(row(module, 1)).eval()
    sparse.use_rows(one.replicas.net, sparse.compress(row(module, 1), sparse.linear_layers(one.replicas.net)))
    torch.testing.assert_close(one(x)[0], module(x)[1])


def test_the_compressed_file_holds_every_weight_that_is_not_zero(tmp_path: Path) -> None:
    module = pruned(norm="batch")
    state, layers = row(module, 0), sparse.linear_layers(module.replicas.net)
    save_file(sparse.compress(state, layers), tmp_path / "rows.safetensors")
    rows = load_file(tmp_path / "rows.safetensors")
    for name, value in state.items():
        if name.removesuffix(".weight") not in layers:
            assert torch.equal(rows[name], value)
            continue
        dense = torch.zeros_like(value)
        for i, (start, stop) in enumerate(rows[f"{name}.row_starts"].unfold(0, 2, 1).tolist()):
            dense[i, rows[f"{name}.columns"][start:stop].long()] = rows[f"{name}.values"][start:stop]
        assert torch.equal(dense, value)
        assert rows[f"{name}.columns"].dtype == torch.uint16
    assert sparse.compress({"a.weight": torch.ones(1, 2**16 + 1)}, {"a": layers["output"]})[
        "a.weight.columns"
    ].max() == 2**16  # fmt: skip


def test_sparsity_is_measured_per_seed_and_missing_for_a_diverged_one(tmp_path: Path) -> None:
    module, seen = pruned(), []

    def seconds(one: ReplicaModule) -> float:
        assert one.replicas.num_replicas == 1
        seen.append(isinstance(one.replicas.net.get_submodule("output"), sparse.SparseLinear))
        return float(len(seen))

    found = sparse.measure(module, [False, True, True], seconds)
    weights = [w.numel() // 3 for w in module.weights]
    zeros = [sum((w[r] == 0).sum().item() for w in module.weights) for r in range(3)]
    assert found["sparsity"] == [None, *(pytest.approx(zeros[r] / sum(weights)) for r in (1, 2))]
    assert seen == [False, True]
    assert (found["time/dense_s"], found["time/sparse_s"]) == ([1, 1, 1], [2, 2, 2])
    for r in (1, 2):
        save_file(row(module, r), tmp_path / "dense.safetensors")
        assert found["size/dense_bytes"][r] == (tmp_path / "dense.safetensors").stat().st_size
    assert found["size/dense_bytes"][0] is found["size/sparse_bytes"][0] is None
    saved = found["size/sparse_bytes"][2] - found["size/sparse_bytes"][1]
    assert saved == pytest.approx(6 * (zeros[1] - zeros[2]), abs=16)  # 4 bytes a value, 2 a column; files are padded


def test_a_run_without_zeros_reports_only_their_absence(tmp_path: Path) -> None:
    results = train(compose(*SMOKE), tmp_path / "run")
    assert results["sparsity"] == [0, 0]
    assert not {"size/dense_bytes", "size/sparse_bytes", "time/dense_s", "time/sparse_s"} & results.keys()


def test_the_zeros_of_ftrl_are_measured(tmp_path: Path) -> None:
    results = train(compose(*SMOKE, "optimizer=ftrl", "optimizer.lr=0.1", "optimizer.l1=0.3"), tmp_path / "run")
    assert all(0.01 < share < 1 for share in results["sparsity"])
    assert all(size > 0 for size in results["size/sparse_bytes"])
    assert all(seconds > 0 for seconds in results["time/dense_s"] + results["time/sparse_s"])
