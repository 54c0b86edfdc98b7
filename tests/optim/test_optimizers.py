"""Every optimizer of conf/optimizer moves weights by the formula of its paper, at the settings of its file."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from commands import compose
from torch import nn

from dnnx.config.build import build
from dnnx.config.paths import CONF

LR, STEPS = 0.01, 25
Walk = Callable[[np.ndarray, np.ndarray], np.ndarray]  # start and gradients [STEPS, n] -> where it ends


def sgd(w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    return w - LR * gradients.sum(0)


def momentum(w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    m = np.zeros_like(w)
    for g in gradients:
        m = 0.9 * m - LR * g
        w = w + m
    return w


def nesterov(w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The gradient is taken where the momentum leads to, and these are the weights that torch shows."""
    m, w = np.zeros_like(w), w.copy()  # w: the paper's, from which momentum m leads to w + 0.9 m
    for g in gradients:
        m = 0.9 * m - LR * g
        w += m
    return w + 0.9 * m


def adagrad(w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    rates = LR / (np.sqrt(np.cumsum(gradients**2, 0)) + 1e-10)
    return w - (rates * gradients).sum(0)


def rmsprop(w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    s = np.zeros_like(w)
    for g in gradients:
        s = 0.9 * s + 0.1 * g**2
        w = w - LR * g / (np.sqrt(s) + 1e-8)
    return w


def adam(w: np.ndarray, gradients: np.ndarray, decay: float = 0.0) -> np.ndarray:
    m, s = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        step = (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        w = w - LR * step - LR * decay * w
    return w


def adamw(w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    return adam(w, gradients, decay=0.01)


def nadam(w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    m, s, product = np.zeros_like(w), np.zeros_like(w), 1.0
    for t, g in enumerate(gradients, 1):
        now, soon = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * k)) for k in (t, t + 1))
        product *= now
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        look_ahead = soon * m / (1 - product * soon) + (1 - now) * g / (1 - product)
        w = w - LR * look_ahead / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    return w


FORMULAS: dict[str, Walk] = {
    "sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adagrad": adagrad, "rmsprop": rmsprop, "adam": adam,
    "adamw": adamw, "nadam": nadam,
}  # fmt: skip


def walk(name: str, start: np.ndarray, gradients: np.ndarray, *overrides: str) -> np.ndarray:
    p = nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = build(
        "optimizer", compose(f"optimizer={name}", f"optimizer.lr={LR}", *overrides).optimizer, factory=True
    )([p])
    for g in gradients:
        p.grad = torch.from_numpy(g.copy())
        optimizer.step()
    return p.detach().numpy()


def test_every_optimizer_has_its_formula_here_or_in_a_file_of_its_own() -> None:
    assert {path.stem for path in (CONF / "optimizer").glob("*.yaml")} == {*FORMULAS, "ftrl"}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_optimizer_is_its_formula(name: str) -> None:
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=4), rng.normal(size=(STEPS, 4)) * [1, 10, 0.1, 1e-3]
    np.testing.assert_allclose(walk(name, start, gradients), FORMULAS[name](start, gradients), rtol=1e-6)


@pytest.mark.parametrize("momentum", [0.9, 0.99])
def test_momentum_multiplies_the_step_of_a_constant_gradient(momentum: float) -> None:
    gradients = np.ones((3000, 1))
    ends = [walk("momentum", np.zeros(1), gradients[:n], f"optimizer.momentum={momentum}")[0] for n in (2999, 3000)]
    assert ends[0] - ends[1] == pytest.approx(LR / (1 - momentum), rel=1e-6)
