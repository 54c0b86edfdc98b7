"""Clipping is torch's own, for each replica by itself, and says how often it clipped."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from dnnx.techniques.clipping import Clipping, gradient_norm

SCALES = [0.01, 1.0, 100.0]  # of the replicas' gradients


def parameters() -> list[nn.Parameter]:
    """Of three replicas, with gradients."""
    g = torch.Generator().manual_seed(0)
    made = [nn.Parameter(torch.zeros(3, *shape)) for shape in ((4, 5), (4,))]
    for p in made:
        p.grad = torch.randn(p.shape, generator=g) * torch.tensor(SCALES).view(-1, *[1] * (p.dim() - 1))
    return made


def make(num_replicas: int, **settings: float) -> Clipping:
    clipping = Clipping(**settings)
    clipping.attach(SimpleNamespace(replicas=SimpleNamespace(num_replicas=num_replicas)))
    return clipping


def alone(made: list[nn.Parameter], r: int) -> list[nn.Parameter]:
    def one(p: nn.Parameter) -> nn.Parameter:
        own = nn.Parameter(p.detach()[r].clone())
        assert p.grad is not None
        own.grad = p.grad[r].clone()
        return own

    return [one(p) for p in made]


def gradients(made: list[nn.Parameter]) -> list[Tensor]:
    return [p.grad for p in made if p.grad is not None]


def test_each_replica_is_clipped_as_torch_clips_it_alone() -> None:
    for settings in ({"norm": 2.0}, {"value": 0.5}):
        together, expected = parameters(), [alone(parameters(), r) for r in range(3)]
        clipping = make(3, **settings)
        clipping.clip(together)
        for r, own in enumerate(expected):
            clip_grad_norm_(own, 2.0) if "norm" in settings else clip_grad_value_(own, 0.5)
            single = alone(parameters(), r)
            make(1, **settings).clip(single)
            for all_of_them, by_torch, by_itself in zip(
                gradients(together), gradients(own), gradients(single), strict=True
            ):
                torch.testing.assert_close(all_of_them[r], by_torch, rtol=1e-5, atol=0)
                torch.testing.assert_close(all_of_them[r], by_itself)
        assert clipping.share().tolist() == [0, 1, 1]


def test_norms_are_hand_numbers() -> None:
    p = nn.Parameter(torch.zeros(2, 2))
    p.grad = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    make(2, norm=1.0).clip([p])
    torch.testing.assert_close(p.grad, torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    assert gradient_norm([p.grad], 1).item() == torch.tensor(1.25).sqrt().item()


def test_a_non_finite_gradient_does_not_reach_other_replicas() -> None:
    made = parameters()
    gradients(made)[0][1] = torch.nan
    make(3, norm=2.0, value=0.5).clip(made)
    for g in gradients(made):
        assert g[[0, 2]].isfinite().all()
        assert g[1].isnan().all()


def test_the_share_of_clipped_steps_is_reset_after_each_reading() -> None:
    clipping = make(3, norm=2.0)
    for factor in (1, 0.01, 1e-9, 1e-9):
        made = parameters()
        for g in gradients(made):
            g.mul_(factor)
        clipping.clip(made)
    assert clipping.share().tolist() == [0, 0.25, 0.5]
    clipping.clip(parameters())
    assert clipping.share().tolist() == [0, 1, 1]
