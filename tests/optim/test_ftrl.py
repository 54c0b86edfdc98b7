"""FTRL-Proximal is the algorithm of McMahan et al. 2013, and AdaGrad without regularization."""

import math

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.optim.ftrl import FTRL
from dnnx.optim.schedules import scale_rates

LR, BETA, L1, L2 = 0.3, 1.0, 0.4, 0.2


def walk(start: Tensor, gradients: Tensor, **settings: float) -> Tensor:
    """The weights before and after every step, [steps + 1, ...]."""
    p = nn.Parameter(start.clone())
    optimizer = FTRL([p], **settings)
    path = [p.detach().clone()]
    for p.grad in gradients:
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path)


def random_gradients(steps: int, *shape: int) -> Tensor:
    return torch.randn(steps, *shape, generator=torch.Generator().manual_seed(0))


def test_from_zero_it_is_algorithm_1_of_the_paper() -> None:
    gradients = random_gradients(30, 4)
    path = walk(torch.zeros(4), gradients, lr=LR, beta=BETA, l1=L1, l2=L2)
    for i in range(4):
        z = n = 0.0
        for t, g in enumerate(gradients[:, i].tolist()):
            w = 0.0 if abs(z) <= L1 else -(z - math.copysign(L1, z)) / ((BETA + math.sqrt(n)) / LR + L2)
            assert path[t, i].item() == pytest.approx(w, rel=1e-4, abs=1e-6)
            sigma = (math.sqrt(n + g * g) - math.sqrt(n)) / LR
            z += g - sigma * w
            n += g * g


def test_every_step_minimizes_the_objective_in_closed_form() -> None:
    gradients, start = random_gradients(12, 1), torch.tensor([0.7])
    path = walk(start, gradients, lr=LR, beta=BETA, l1=L1, l2=L2)[:, 0].tolist()
    g = gradients[:, 0].double()
    inverse_rates = [BETA / LR, *((BETA + g.square().cumsum(0).sqrt()) / LR).tolist()]
    for t in range(1, len(path)):
        sigmas = [inverse_rates[0]] + [inverse_rates[s] - inverse_rates[s - 1] for s in range(1, t + 1)]
        centres = [path[0], *path[:t]]

        def objective(w: float, t: int = t, sigmas: list[float] = sigmas, centres: list[float] = centres) -> float:
            proximal = sum(sigma * (w - centre) ** 2 / 2 for sigma, centre in zip(sigmas, centres, strict=True))
            return g[:t].sum().item() * w + proximal + L1 * abs(w) + L2 * w * w / 2

        best = minimize_scalar(objective, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9})
        assert path[t] == pytest.approx(best.x, abs=1e-5)


def test_two_steps_by_hand() -> None:
    path = walk(torch.tensor([1.0]), torch.tensor([[3.0], [4.0]]), lr=1.0, beta=1.0, l1=0.5)
    # 1/rate: 1, 4, 6. z: -1, -1 + 3 - 3 * 1 = -1, then w = 0.5 / 4; z: -1 + 4 - 2 * 0.125 = 2.75, w = -2.25 / 6
    assert path[:, 0].tolist() == [1.0, 0.125, -0.375]


def test_without_regularization_it_is_torchs_adagrad_also_under_a_schedule() -> None:
    gradients, p = random_gradients(20, 5), nn.Parameter(torch.linspace(-1, 1, 5))
    own = nn.Parameter(p.detach().clone())
    adagrad, ftrl = torch.optim.Adagrad([p], lr=LR, eps=BETA), FTRL([own], lr=LR, beta=BETA)
    for t, g in enumerate(gradients):
        p.grad, own.grad = g.clone(), g.clone()
        for optimizer in (adagrad, ftrl):
            optimizer.param_groups[0]["lr"] = LR * 0.8**t
            optimizer.step()
        torch.testing.assert_close(own, p, rtol=1e-4, atol=1e-6)


def test_l1_leaves_exact_zeros_and_its_absence_none() -> None:
    gradients, start = 0.1 * random_gradients(200, 50), torch.linspace(-0.1, 0.1, 50)
    assert (walk(start, gradients, lr=0.1, l1=2.0)[-1] == 0).float().mean() > 0.5
    assert (walk(start, gradients, lr=0.1)[-1] != 0).all()


def test_each_replica_has_its_own_learning_rate() -> None:
    gradients, start = random_gradients(10, 2, 3), torch.ones(2, 3)
    p = nn.Parameter(start.clone())
    optimizer = FTRL([p], lr=LR, l1=L1)
    scale_rates(optimizer, torch.tensor([1.0, 0.25]))
    for p.grad in gradients:
        optimizer.step()
    for r, lr in enumerate([LR, LR / 4]):
        torch.testing.assert_close(p[r], walk(start[r], gradients[:, r], lr=lr, l1=L1)[-1])


@pytest.mark.parametrize(("name", "value"), [("lr", 0), ("beta", 0), ("l1", -1), ("l2", "much")])
def test_a_bad_value_is_one_line(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"optimizer\.{name}={value}: a number"):
        FTRL([nn.Parameter(torch.zeros(1))], **{name: value})
