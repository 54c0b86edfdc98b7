"""MC dropout: only dropout is active, each seed has its own passes, and no result depends on how they are computed."""

from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from modules import classifier, pairs
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dnnx.basics.errors import UserError
from dnnx.evaluation import calibration, mc_dropout
from dnnx.evaluation.mc_dropout import measure, predict
from dnnx.nets.convnet import ConvNet
from dnnx.nets.dense import DenseNet
from dnnx.nets.layers.dropout import Dropout
from dnnx.tasks.classification import Classification
from dnnx.techniques.pretrained import Pretrained
from dnnx.training.dropout_on import require_dropout
from dnnx.training.module import ReplicaModule

N, FEATURES = 30, 6
NET: dict[str, Any] = {"hidden": [12, 11, 10], "norm": "batch", "dropout": 0.3}


def images() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randn(N, FEATURES, generator=g), torch.randint(4, (N,), generator=g)


def batches(size: int = N) -> list[tuple[Tensor, Tensor]]:
    return list(zip(*(part.split(size) for part in images()), strict=True))


def make(seeds: tuple[int, ...] = (3, 7), **net: Any) -> ReplicaModule:
    """A network whose batch statistics have moved, as they do in training."""
    module = classifier(FEATURES, 4, NET | net, seeds)
    with torch.no_grad():
        for step in range(3):
            module.train()(torch.randn(50, FEATURES, generator=torch.Generator().manual_seed(step)) * 3 + 1)
    return module


NETS = [
    {}, {"dropout_layers": 1}, {"input_dropout": 0.2}, {"dropout": 0.0, "input_dropout": 0.2},
    {"norm": None, "activation": "selu", "dropout_kind": "alpha"},
]  # fmt: skip


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("seeds", [(3,), (3, 7)])
def test_no_result_depends_on_batches_or_on_passes_at_once(
    net: dict[str, Any], seeds: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, results = make(seeds, **net), []
    for size, rows in ((N, 1), (7, 100), (N, 1000), (1, 20)):
        monkeypatch.setattr(mc_dropout, "ROWS", rows)
        results.append(predict(module, batches(size), N, 11))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-4, atol=1e-6)
    spread = predict(module, batches(), N, 1)[0] - results[0][0]
    assert (spread.abs().amax(dim=(1, 2)) > 0.01).all()  # the passes do differ


@pytest.mark.parametrize("net", NETS)
def test_a_seed_among_others_has_the_passes_that_it_has_alone(net: dict[str, Any]) -> None:
    among = predict(make((3, 7, 11), **net), batches(), N, 5)
    for r, seed in enumerate((3, 7, 11)):
        alone = predict(make((seed,), **net), batches(), N, 5)
        for together, single in zip(among, alone, strict=True):
            torch.testing.assert_close(together[r], single[0], rtol=1e-4, atol=1e-6)


def test_seeds_images_and_passes_have_masks_of_their_own() -> None:
    module = make((3, 7), norm=None, dropout=0.5, dropout_layers=1)
    seen: list[Tensor] = []
    module.replicas.net.hidden_layers[2].register_forward_hook(lambda *given: seen.append(given[2] == 0))  # type: ignore[index, union-attr]
    predict(module, [(torch.ones(N, FEATURES), images()[1])], N, 20)
    masks = torch.cat([mask.view(2, -1, N, 10) for mask in seen if mask.shape[1] >= N], dim=1)
    flat = masks.flatten(0, 2)
    assert len(flat) == 2 * 20 * N
    assert len(flat.unique(dim=0)) > 600  # of the 1,024 that there are, 1,200 draws find 706


def test_only_dropout_is_active_and_no_weight_changes() -> None:
    module = make()
    before = {name: value.clone() for name, value in module.replicas.stacked_state().items()}
    once = module.predict(batches())[0]
    predict(module, batches(), N, 3)
    assert all(torch.equal(value, before[name]) for name, value in module.replicas.stacked_state().items())
    assert torch.equal(module.predict(batches())[0], once)
    for layer in module.modules():
        if isinstance(layer, Dropout):
            layer.p = 0.0  # a pass is then the deterministic one: batch norm has its running statistics
    torch.testing.assert_close(predict(module, batches(), N, 3)[0], once.double().softmax(-1), rtol=1e-5, atol=1e-7)


def test_dropout_is_active_in_frozen_layers_too() -> None:
    net = NET | {"dropout": 0.5, "norm": None}
    frozen = classifier(FEATURES, 4, net, [3, 7], Pretrained(frozen=["hidden_layers.*"]))
    trained = classifier(FEATURES, 4, net, [3, 7])
    for one, other in zip(predict(frozen, batches(), N, 4), predict(trained, batches(), N, 4), strict=True):
        assert torch.equal(one, other)


def test_the_mean_is_the_mean_of_single_passes() -> None:
    module = make()
    means = [predict(module, batches(), N, passes)[0] * passes for passes in range(1, 5)]
    single = torch.stack([means[0], *(b - a for a, b in pairwise(means))])
    mean, spread = predict(module, batches(), N, 4)
    torch.testing.assert_close(mean, single.mean(0))
    torch.testing.assert_close(spread, calibration.entropy(single).mean(0))


def measured(module: ReplicaModule, survived: list[bool]) -> tuple[dict[str, list], dict[str, dict]]:
    return measure(module, SimpleNamespace(eval_dataloader=lambda split: batches(8)), survived, passes=20)


def test_scores_are_of_each_way_to_predict_and_a_diverged_seed_has_none() -> None:
    module = make((3, 7, 11))
    with torch.no_grad():
        module.replicas.net.output.weight[1] = torch.nan  # type: ignore[operator, union-attr]
    results, curves = measured(module, [True, False, True])
    names = {"accuracy", "nll", "brier", "ece", "entropy"}
    of = {
        way: {name.split("/")[1] for name in results if name.startswith(f"{way}/")}
        for way in ("test", "mc", "ensemble")
    }
    assert of == {"test": names, "mc": names | {"mutual_information"}, "ensemble": names | {"mutual_information"}}
    for name, values in results.items():
        assert [value is None for value in values] == ([False] if "ensemble" in name else [False, True, False])
    p, y = module.predict(batches())[0][[0, 2]].double().softmax(-1).mean(0, keepdim=True), images()[1]
    assert results["ensemble/nll"] == pytest.approx(calibration.scores(p, y)["nll"].tolist())
    assert [sum(curve["images"]) for curve in curves.values()] == [2 * N, 2 * N, N]
    assert sum(curves["ensemble"]["correct"]) == results["ensemble/accuracy"][0] * N


def test_mutual_information_is_zero_for_equal_passes_and_positive_for_different_ones() -> None:
    agreeing = measured(make(dropout=1e-9), [True, True])[0]["mc/mutual_information"]
    differing = measured(make(dropout=0.5), [True, True])[0]["mc/mutual_information"]
    assert agreeing == pytest.approx([0, 0], abs=1e-7)
    assert min(differing) > 0.01


@pytest.mark.parametrize(
    ("passes", "net", "says"),
    [
        (
            100,
            {"dropout": 0.0},
            "^mc_dropout=100: the network has no dropout.*train with net.dropout=0.1, or type mc_drop",
        ),
        (-1, {}, "^mc_dropout=-1: a number of passes"),
        (2.5, {}, "^mc_dropout=2.5: a number of passes"),
        (True, {}, "^mc_dropout=True: a number of passes"),
    ],
)
def test_an_impossible_setting_is_a_one_line_error(passes: Any, net: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as told:
        require_dropout(make(**net), passes)
    assert "\n" not in str(told.value)


def test_pairs_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^mc_dropout=5: only for classes, not for task=Pairs; type"):
        require_dropout(pairs(FEATURES, {"hidden": [8], "dropout": 0.2}, [3, 7]), 5)


@pytest.mark.parametrize("net", NETS)
def test_no_result_depends_on_how_many_images_fit_at_once(net: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    module = make(**net)
    whole = predict(module, batches(), N, 11)
    monkeypatch.setattr(mc_dropout, "MAX_NUMBERS", 2 * FEATURES * 7)  # 7 images of two seeds
    torch.testing.assert_close(predict(module, batches(20), N, 11), whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "shape"), [(partial(DenseNet, hidden=[100, 100]), (784,)), (partial(ConvNet, channels=[32]), (3, 32, 32))]
)
def test_the_largest_tensor_of_100_seeds_is_bounded(kind: Any, shape: tuple[int, ...]) -> None:
    """On the meta device nothing is computed, and each result tells its size."""
    net = partial(kind, shape, num_outputs=10, dropout=0.3)
    module = ReplicaModule(net, Classification(), range(100), shape).to("meta")
    module.replicas.probed = True
    with Largest() as largest:
        predict(module, [(torch.empty(1024, *shape, device="meta"), None)], 1024, 30)
    assert largest.bytes < 2 * 2**30


class Largest(TorchDispatchMode):
    """Notes the size of the largest result of an operator."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [value for value in tree_leaves(out) if isinstance(value, Tensor) and not func.is_view]
        self.bytes = max([self.bytes, *(value.numel() * value.element_size() for value in tensors)])
        return out
