"""FusedAdam is torch's Adam and AdamW, bit for bit, also after its state was saved and loaded."""

from typing import Any

import pytest
import torch

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
