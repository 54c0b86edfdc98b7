"""Data that is made: truth tables, Playground's patterns, points of a linear function."""

import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.data.linear_points import LinearPoints
from dnnx.data.playground import PATTERNS, Playground
from dnnx.data.truth_table import TruthTable


@pytest.mark.parametrize(
    ("table", "classes"),
    [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("xor", [0, 1, 1, 0]), ("decoder", [0, 1, 2, 3])],
)
def test_a_truth_table_is_the_same_in_all_splits(table: str, classes: list[int]) -> None:
    data = TruthTable(seeds=[0], table=table)
    data.setup()
    for x, y in data.splits.values():
        assert x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert y.tolist() == classes
    assert "whole domain" in data.provenance["note"]
    assert data.num_classes == len(set(classes))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_has_both_classes_and_other_points_in_each_split(pattern: str) -> None:
    data, again = (Playground(seeds=[seed], pattern=pattern, noise=0.1) for seed in (0, 7))
    data.setup()
    again.setup()
    sizes = {part: (len(y), y.float().mean().item()) for part, (_, y) in data.splits.items()}
    assert all(n == 250 and 0.3 < share < 0.7 for n, share in sizes.values())
    assert not torch.equal(data.splits["train"][0], data.splits["test"][0])
    assert torch.equal(data.splits["train"][0], again.splits["train"][0]), "points do not depend on the seeds"


def test_without_noise_the_patterns_are_those_of_playground() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = PATTERNS["xor"](400, 0.0, g)
    assert torch.equal(y, (x.prod(1) > 0).long())
    assert x.abs().min() >= 0.3
    x, y = PATTERNS["circle"](400, 0.0, g)
    r = x.norm(dim=1)
    assert r[y == 1].max() <= 2.5
    assert r[y == 0].min() >= 3.49
    x, _ = PATTERNS["spiral"](400, 0.0, g)
    assert x.norm(dim=1).max() < 5
    x, y = PATTERNS["gauss"](4000, 0.0, g)
    torch.testing.assert_close(x[y == 1].mean(0), torch.full((2,), 2.0), atol=0.1, rtol=0)


def test_the_noise_of_linear_points_is_the_error_that_is_left() -> None:
    exact, noisy = (LinearPoints(seeds=[0], num=2000, noise=noise) for noise in (0.0, 5.0))
    for data, left in ((exact, 0.0), (noisy, 5.0)):
        data.setup()
        x, y = data.splits["train"]
        design = torch.cat([x, torch.ones(len(x), 1)], 1)
        found = torch.linalg.lstsq(design, y[:, None]).solution
        assert (design @ found - y[:, None]).std().item() == pytest.approx(left, rel=0.05, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TruthTable(seeds=[0], table="nand"), "data.table=nand: choose one of and, or, xor, decoder"),
        (lambda: Playground(seeds=[0], pattern="ring"), "data.pattern=ring: choose one of circle, xor, gauss, spiral"),
        (lambda: Playground(seeds=[0], noise=3), "data.noise=3: a number from 0 to 0.5"),
        (lambda: LinearPoints(seeds=[0], noise=-1), "data.noise=-1: a number of at least 0"),
    ],
)
def test_a_mistake_is_one_line(make, says: str) -> None:
    with pytest.raises(UserError, match="^" + says):
        make().setup()
