"""Dropout: share, mean and (alpha) variance are right, masks look independent everywhere and repeat with their key."""

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from dnnx.nets.layers.dropout import (
    DROPOUTS,
    OF_TORCH,
    AlphaDropout,
    ChannelAlphaDropout,
    ChannelDropout,
    Dropout,
    own_streams,
    random_bits,
)  # fmt: skip

KEYS = [0, 1, 2, 2**62, 1234567890123456789]
ROOM = 1e-4  # all streams are fixed: a probability below this is a weak stream, not bad luck


def bits(key: int, call: int, *shape: int) -> Tensor:
    """Numbers in [0, 2**32)."""
    return random_bits(torch.tensor(key), torch.tensor(call), torch.Size(shape)).long() + 2**31


def chi_square(counts: Tensor) -> float:
    return float(stats.chisquare(counts.flatten().double().numpy()).pvalue)


def correlation_p(a: Tensor, b: Tensor) -> float:
    return float(stats.pearsonr(a.flatten().double().numpy(), b.flatten().double().numpy()).pvalue)


def dropout(p: float = 0.3, seed: int = 0) -> Dropout:
    torch.manual_seed(seed)
    return Dropout(p)


# --- the stream


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("call", [1, 2, 1000])
def test_values_are_uniform(key: int, call: int) -> None:
    values = bits(key, call, 2**16)
    assert values.min() >= 0
    assert values.max() < 2**32
    assert chi_square(torch.histc(values.double(), 256, 0, 2**32)) > ROOM
    for bit in range(32):
        ones = int((values >> bit & 1).sum())
        assert chi_square(torch.tensor([ones, len(values) - ones])) > ROOM, bit


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 32, 64, 100, 128, 784, 1024, 4096])
def test_positions_are_uncorrelated(key: int, lag: int) -> None:
    """Neighbours, and the same unit in the next image."""
    values = bits(key, 1, 2**16)
    assert correlation_p(values[:-lag], values[lag:]) > ROOM
    pairs = (values[:-lag] >> 28) * 16 + (values[lag:] >> 28)
    assert chi_square(pairs.bincount(minlength=256)) > ROOM


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("step", [1, 2, 3, 64, 876, 2**20])
def test_calls_are_uncorrelated(key: int, step: int) -> None:
    one, other = bits(key, 1, 2**16), bits(key, 1 + step, 2**16)
    assert correlation_p(one, other) > ROOM
    assert chi_square(((one >> 28) * 16 + (other >> 28)).bincount(minlength=256)) > ROOM


@pytest.mark.parametrize("step", [1, 2, 3, 2**10, 2**31, 2**40, 2**62])
@pytest.mark.parametrize("key", [0, 7, 2**61])
def test_near_keys_are_uncorrelated(key: int, step: int) -> None:
    one, other = bits(key, 5, 2**16), bits(key + step, 5, 2**16)
    assert correlation_p(one, other) > ROOM
    assert chi_square(((one >> 28) * 16 + (other >> 28)).bincount(minlength=256)) > ROOM


def test_a_position_is_uniform_over_calls_and_over_keys() -> None:
    many, nine = torch.arange(2**14), torch.tensor(9)
    for values in (random_bits(nine, many, torch.Size([8])), random_bits(many, nine, torch.Size([8]))):
        for column in values.T:
            assert chi_square(torch.histc(column.double(), 64, -(2**31), 2**31)) > ROOM
            assert correlation_p(column[:-1], column[1:]) > ROOM


def test_how_many_units_of_an_image_are_dropped_is_binomial() -> None:
    layer, n, p = dropout(0.3), 100, 0.3
    dropped = torch.cat([(layer(torch.ones(32, n)) == 0).sum(1) for _ in range(1000)])
    low, high = 15, 45
    observed = dropped.clamp(low, high).bincount(minlength=high + 1)[low:]
    expected = stats.binom.pmf(range(low, high + 1), n, p)
    expected[0], expected[-1] = stats.binom.cdf(low, n, p), stats.binom.sf(high - 1, n, p)
    assert stats.chisquare(observed.numpy(), expected * len(dropped)).pvalue > ROOM


def test_the_stream_is_this_one_on_every_machine(device: torch.device) -> None:
    key, call = (torch.tensor(value, device=device) for value in (1234567890123456789, 3))
    assert random_bits(key, call, torch.Size([2, 2])).tolist() == [[1731072789, 1596372622], [949850825, 968567994]]


def test_shapes_of_one_size_and_even_rows_share_a_stream() -> None:
    assert torch.equal(bits(1, 1, 6, 4).flatten(), bits(1, 1, 24))


def test_a_row_of_odd_length_is_the_start_of_a_longer_one() -> None:
    assert torch.equal(bits(1, 1, 6, 3), bits(1, 1, 6, 4)[:, :3])


# --- the layer


@pytest.mark.parametrize("p", [0.01, 0.1, 0.3, 0.5, 0.9, 0.99])
def test_the_share_p_is_dropped_and_the_mean_kept(p: float) -> None:
    layer, n = dropout(p), 2**18
    out = layer(torch.ones(n))
    dropped = int((out == 0).sum())
    assert stats.binomtest(dropped, n, p).pvalue > ROOM
    torch.testing.assert_close(out[out != 0].unique(), torch.tensor([1 / (1 - p)]))
    assert out.mean().item() == pytest.approx((1 - dropped / n) / (1 - p), rel=1e-4)


def test_evaluation_is_the_identity_and_counts_no_call() -> None:
    layer, x = dropout(0.9).eval(), torch.randn(5, 3)
    assert layer(x) is x
    assert layer.call == 0


def test_the_same_key_and_call_give_the_same_mask_after_any_other_draws() -> None:
    def masks(seed: int) -> list[Tensor]:
        layer = dropout(0.5, seed)
        torch.rand(seed)
        return [layer(torch.ones(64)) for _ in range(3)]

    first, again = masks(3), masks(3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], masks(4)[0])


def test_a_saved_layer_goes_on_where_it_was() -> None:
    layer, x = dropout(0.5), torch.ones(64)
    layer(x)
    other = dropout(0.5, seed=1)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(layer(x), other(x))


def test_the_gradient_flows_through_kept_units_only() -> None:
    x = torch.randn(1, 200, requires_grad=True)
    out = dropout(0.3)(x)
    out.sum().backward()
    assert x.grad is not None
    kept = out != 0
    torch.testing.assert_close(x.grad, kept / 0.7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_type_of_the_input_is_kept(dtype: torch.dtype) -> None:
    assert dropout()(torch.ones(8, dtype=dtype)).dtype == dtype


# --- alpha dropout


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_alpha_dropout_keeps_mean_0_and_variance_1(p: float) -> None:
    torch.manual_seed(1)
    layer, x = AlphaDropout(p), torch.randn(2**10, 2**10)
    out = layer(x)
    assert out.mean().item() == pytest.approx(0, abs=0.01)
    assert out.var().item() == pytest.approx(1, abs=0.02)
    plain = dropout(p)(x)
    assert plain.var().item() > 1.04


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_alpha_dropout_is_torchs_with_another_mask(p: float) -> None:
    torch.manual_seed(1)
    x = torch.ones(10_000)
    mine, theirs = AlphaDropout(p)(x).unique(), nn.AlphaDropout(p)(x).unique()
    assert len(mine) == 2  # dropped and kept
    torch.testing.assert_close(mine, theirs)


def test_both_kinds_have_the_same_mask() -> None:
    plain, alpha = dropout(0.3), AlphaDropout(0.3)
    alpha.load_state_dict(plain.state_dict())
    x = torch.ones(64, 8)
    assert torch.equal(plain(x) == 0, alpha(x) < 0)


# --- rows: MC dropout


@pytest.mark.parametrize("kind", DROPOUTS)
def test_in_evaluation_the_mask_of_a_row_depends_only_on_its_number(kind: str) -> None:
    torch.manual_seed(2)
    layer, x = DROPOUTS[kind](0.5).eval(), torch.randn(40, 7)
    numbers = torch.arange(100, 140)
    layer.rows = numbers
    whole = layer(x)
    assert not torch.equal(whole, x)
    order = torch.randperm(40)
    for some in order.split(13):
        layer.rows = numbers[some]
        assert torch.equal(layer(x[some]), whole[some])
    assert layer.call == 0


def test_masks_by_row_differ_from_the_masks_of_training() -> None:
    layer, x = dropout(0.5), torch.ones(40, 30)
    masks = [layer(x) for _ in range(3)]
    layer.eval().rows = torch.arange(40)
    assert not any(torch.equal(layer(x), mask) for mask in masks)
    layer.rows = torch.arange(40, 80)
    assert correlation_p(layer(x), masks[0]) > ROOM


def test_rows_change_nothing_in_training() -> None:
    one, other = dropout(0.5), dropout(0.5)
    other.rows = torch.arange(7, 12)
    x = torch.ones(5, 30)
    assert torch.equal(one(x), other(x))


# --- maps, channels, series


@pytest.mark.parametrize("shape", [(20, 30), (20, 6, 8), (20, 3, 8, 10), (20, 2, 3, 4, 6)])
def test_every_element_of_every_example_has_a_mask_of_its_own(shape: tuple[int, ...]) -> None:
    dropped = dropout(0.5)(torch.ones(shape)) == 0
    for axis in range(dropped.dim()):
        slices = dropped.movedim(axis, 0).flatten(1)
        assert len(slices.unique(dim=0)) == len(slices)
    rows, masks = dropped.flatten(0, -2), 2 ** shape[-1]
    expected = masks * (1 - (1 - 1 / masks) ** len(rows))  # different ones among so many draws
    assert len(rows.unique(dim=0)) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("kind", [ChannelDropout, ChannelAlphaDropout])
@pytest.mark.parametrize("shape", [(40, 16, 7), (40, 16, 7, 6)])
def test_a_channel_is_kept_or_dropped_whole(kind: type[Dropout], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    out = kind(0.4)(torch.ones(shape)).flatten(2)
    assert (out == out[..., :1]).all()
    dropped = out[..., 0] < 0.5
    assert len(dropped.unique(dim=0)) == 40
    assert stats.binomtest(int(dropped.sum()), dropped.numel(), 0.4).pvalue > ROOM


@pytest.mark.parametrize("kind", [Dropout, AlphaDropout, ChannelDropout, ChannelAlphaDropout])
@pytest.mark.parametrize("shape", [(9, 6), (9, 6, 5), (9, 4, 5, 6)])
def test_replicas_at_once_have_the_masks_that_each_has_alone(kind: type[Dropout], shape: tuple[int, ...]) -> None:
    alone = []
    for seed in range(3):
        torch.manual_seed(seed)
        alone.append(kind(0.5))
    among = kind(0.5)
    among.key, among.call = (torch.stack([getattr(one, name) for one in alone]) for name in ("key", "call"))
    x = torch.randn(3, *shape)
    for _ in range(2):
        assert torch.equal(among(x), torch.stack([one(part) for one, part in zip(alone, x, strict=True)]))
    rows = torch.arange(50, 59)
    for layer in (among, *alone):
        layer.eval().rows = rows
    assert torch.equal(among(x), torch.stack([one(part) for one, part in zip(alone, x, strict=True)]))


@pytest.mark.parametrize("kind", [Dropout, ChannelDropout])
def test_the_mask_of_an_image_depends_on_its_number_alone(kind: type[Dropout]) -> None:
    torch.manual_seed(2)
    layer, x, numbers = kind(0.5).eval(), torch.randn(20, 6, 5, 4), torch.arange(100, 120)
    layer.rows = numbers
    whole = layer(x)
    assert len((whole == 0).flatten(1).unique(dim=0)) > 15
    for some in torch.randperm(20).split(7):
        layer.rows = numbers[some]
        assert torch.equal(layer(x[some]), whole[some])


def test_all_are_dropped_or_none_at_the_ends() -> None:
    x = torch.randn(4, 5)
    assert torch.equal(dropout(0.0)(x), x)
    assert torch.equal(dropout(1.0)(x), torch.zeros(4, 5))


# --- in a user's net


def test_torchs_layers_become_layers_with_a_stream_of_their_own() -> None:
    shared = nn.Dropout(0.3)
    inner = nn.ModuleDict({kind.__name__: kind(0.2) for kind in OF_TORCH})
    net = own_streams(nn.Sequential(nn.Linear(3, 3), shared, nn.Sequential(shared, inner)).eval())
    layers: dict[str, nn.Module] = dict(net.named_modules(remove_duplicate=False))
    assert layers["1"] is layers["2.0"]
    assert {name: type(layers[f"2.1.{name}"]) for name in inner} == {
        "Dropout": Dropout, "Dropout1d": ChannelDropout, "Dropout2d": ChannelDropout, "Dropout3d": ChannelDropout,
        "AlphaDropout": AlphaDropout, "FeatureAlphaDropout": ChannelAlphaDropout,
    }  # fmt: skip
    keys = [value for name, value in net.state_dict().items() if name.endswith("key")]
    assert len(torch.stack(keys).unique()) == 7
    assert not any(layer.training for layer in net.modules())


@pytest.mark.parametrize("kind", OF_TORCH)
def test_one_of_them_drops_as_torchs_does(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    torchs: nn.Module = kind(0.3)  # type: ignore[call-arg]
    mine = own_streams(nn.Sequential(torchs))
    x = torch.ones(200, 30, *{"Dropout1d": [4], "Dropout2d": [4, 4]}.get(kind.__name__, [2, 2, 2]))
    outs = [layer.train()(x) for layer in (torchs, mine)]
    torch.testing.assert_close(outs[0].unique(), outs[1].unique())
    per_channel = [(out.flatten(2) == out.flatten(2)[..., :1]).all(2).float().mean().item() for out in outs]
    assert per_channel[0] == pytest.approx(per_channel[1], abs=0.1)
    torch.testing.assert_close(outs[0].mean(), outs[1].mean(), rtol=0.1, atol=0.1)


def test_scaling_at_test_time_is_inverted_dropout_with_smaller_weights_and_larger_gradients() -> None:
    """Both forms are one set of networks: the weights above are times the kept share. They learn differently."""
    torch.manual_seed(0)
    x, kept, layer = torch.rand(50, 20) + 0.1, 0.7, dropout(0.3)
    scaled, inverted = nn.Linear(20, 4), nn.Linear(20, 4)
    with torch.no_grad():
        inverted.weight.copy_(kept * scaled.weight)
        inverted.bias.copy_(scaled.bias)
    dropped = layer.train()(x)
    of_inverted, of_scaled = inverted(dropped), scaled(x * (dropped != 0))
    torch.testing.assert_close(of_inverted, of_scaled)  # in training, with one mask
    tested = nn.functional.linear(x, kept * scaled.weight, scaled.bias)
    torch.testing.assert_close(inverted(layer.eval()(x)), tested)
    for outputs in (of_inverted, of_scaled):
        outputs.square().sum().backward()
    assert inverted.weight.grad is not None
    assert scaled.weight.grad is not None
    torch.testing.assert_close(kept * inverted.weight.grad, scaled.weight.grad)
