"""FusedAdam is torch's Adam and AdamW, bit for bit, also after its state was saved and loaded."""

from typing import Any

import pytest
import torch

from dnnx.optim import kept
from dnnx.optim.fused_adam import FusedAdam


@pytest.mark.parametrize("decoupled", [False, True], ids=["adam", "adamw"])
def test_its_steps_are_those_of_torch(decoupled: bool) -> None:
    """Step hooks run once in a step, though torch wraps the step of each class that was made."""
    hooked = []
    start = [torch.randn(3, 4), torch.randn(5)]
    ours = [torch.nn.Parameter(p.clone()) for p in start]
    theirs = [torch.nn.Parameter(p.clone()) for p in start]
    options: dict[str, Any] = {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.2}
    a = FusedAdam(ours, **options, decoupled_weight_decay=decoupled)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    b = (torch.optim.AdamW if decoupled else torch.optim.Adam)(theirs, **options, fused=True)
    a.register_step_post_hook(lambda *_: hooked.append(1))
    for step in range(6):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = None if step == 2 and p.dim() == 1 else torch.randn_like(p)
            q.grad = None if p.grad is None else p.grad.clone()
        if step == 3:
            state = a.state_dict()
            a = FusedAdam(ours, **options, decoupled_weight_decay=decoupled)
            a.load_state_dict(state)
            assert len(hooked) == 3
        for group in a.param_groups + b.param_groups:
            group["lr"] = 0.1 / (step + 1)
        a.step()
        b.step()
    assert all(torch.equal(p, q) for p, q in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], start[0])


@pytest.mark.parametrize("decoupled", [False, True], ids=["adam", "adamw"])
def test_a_replica_s_steps_have_the_same_bits_when_others_leave(decoupled: bool) -> None:
    for draw in range(20):
        g = torch.Generator().manual_seed(draw)
        shapes = [(9, 1 + 3 * draw), (9, 5, 1 + draw), (9, 16)]
        whole, left = ([torch.nn.Parameter(torch.ones(shape)) for shape in shapes] for _ in range(2))
        a, b = (FusedAdam(p, weight_decay=0.1, decoupled_weight_decay=decoupled) for p in (whole, left))
        running = list(range(9))
        for step in range(9):
            if step in (2, 5):
                places = torch.randperm(len(running), generator=g)[: len(running) // 2].sort().values.tolist()
                for p in left:
                    p.data, p.grad = p.data[places], None
                kept.keep(b, places)
                running = [running[place] for place in places]
            if step == 7:  # as a checkpoint does
                state, b = b.state_dict(), FusedAdam(left, weight_decay=0.1, decoupled_weight_decay=decoupled)
                b.load_state_dict(state)
            for p, q in zip(whole, left, strict=True):
                p.grad = torch.randn(p.shape, generator=g)
                q.grad = p.grad[running].clone()
            a.step()
            b.step()
        assert all(torch.equal(p[running], q) for p, q in zip(whole, left, strict=True))
