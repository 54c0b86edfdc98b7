"""MoreChannels: digits as they are, beside a channel that tells nothing."""

import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.data.digits import Digits
from dnnx.data.more_channels import MoreChannels


def made(channel: str) -> MoreChannels:
    data = MoreChannels(seeds=[0], root="absent", source="digits", channel=channel)
    data.setup()
    return data


@pytest.mark.parametrize(("channel", "high"), [("zeros", 0), ("noise", 1), ("large_noise", 254)])
def test_the_first_channel_is_the_digit_and_the_second_has_its_range(channel: str, high: float) -> None:
    data, plain = made(channel), Digits(seeds=[0], root="absent", source="digits")
    plain.setup()
    assert data.in_shape == (2, 8, 8)
    for part, (x, y) in data.splits.items():
        assert torch.equal(x[:, :1], plain.splits[part][0])
        assert torch.equal(y, plain.splits[part][1])
        assert 0 <= x[:, 1].min() <= x[:, 1].max() <= high
    assert data.splits["train"][0][:, 1].max().item() == pytest.approx(high, rel=0.01)


def test_without_it_the_data_is_as_before_and_another_name_is_one_line() -> None:
    assert made("none").in_shape == (1, 8, 8)
    with pytest.raises(UserError, match=r"data.channel=snow: choose one of none, zeros, noise, large_noise"):
        made("snow")
