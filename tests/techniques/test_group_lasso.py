"""Group lasso is its formula of whole groups, for each replica alone, and empties units that are not needed."""

from pathlib import Path

import pytest
import torch
from commands import SMOKE, compose
from modules import classifier
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.runs.tensors import load_tensors
from dnnx.techniques.group_lasso import GroupLasso, sum_of_norms
from dnnx.techniques.groups import of_inputs, of_units
from dnnx.train import train

LASSO = ["+technique=group_lasso", "techniques.group_lasso.of=units", "techniques.group_lasso.strength=3e-3"]


def test_the_penalty_is_hand_numbers_of_rows_and_of_columns() -> None:
    w = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [0.0, 1.0]]])  # [R, out, in]
    torch.testing.assert_close(sum_of_norms([of_units(w, True)]), torch.tensor([2**0.5 * 6]))
    torch.testing.assert_close(sum_of_norms([of_inputs(w[0], False)]), torch.tensor([3**0.5 * (3 + 17**0.5)]))
    filters = torch.ones(2, 5, 3, 2, 2)  # [R, out, in, height, width]
    torch.testing.assert_close(sum_of_norms([of_units(filters, True)]), torch.tensor([5 * 12.0, 5 * 12.0]))
    torch.testing.assert_close(sum_of_norms([of_inputs(filters, True)]), torch.tensor([3 * 20.0, 3 * 20.0]))


def test_an_empty_group_has_no_gradient_and_others_have_one_length() -> None:
    w = nn.Parameter(torch.tensor([[[0.0, 0.0], [3.0, 4.0], [0.003, 0.004]]]))
    sum_of_norms([of_units(w, True)]).sum().backward()
    assert w.grad is not None
    torch.testing.assert_close(w.grad.norm(dim=2)[0], torch.tensor([0.0, 2**0.5, 2**0.5]))


@pytest.mark.parametrize("of", ["units", "inputs"])
def test_a_seed_among_others_has_the_penalty_that_it_has_alone(of: str) -> None:
    net = {"hidden": [5, 4]}
    found = []
    for seeds in ([3, 7], [7]):
        module = classifier(6, 3, net, seeds, GroupLasso(0.1, of))
        found.append(module.techniques["GroupLasso"].penalty())
    torch.testing.assert_close(found[0][1:], found[1])


def test_the_outputs_are_no_groups_of_units() -> None:
    module = classifier(6, 3, {"hidden": [5]}, [0, 1], GroupLasso(2.0, "units"))
    hidden = module.weights[0]
    expected = 2 * 6**0.5 * hidden.norm(dim=2).sum(1)
    torch.testing.assert_close(module.techniques["GroupLasso"].penalty(), expected)


def test_units_shrink_as_a_whole_and_a_seed_is_itself_alone(tmp_path: Path) -> None:
    run = [*SMOKE, "net.hidden=[30]", "trainer.max_epochs=15", "optimizer.lr=3e-3"]
    for name, words in (("plain", []), ("lasso", LASSO), ("alone", [*LASSO, "seeds=[1]"])):
        train(compose(*run, *words), tmp_path / name)
    plain, lasso, alone = (load_tensors(tmp_path / n / "model.safetensors") for n in ("plain", "lasso", "alone"))
    name = "hidden_layers.0.linear.weight"
    norms = [state[name].norm(dim=2) for state in (plain, lasso)]
    assert (norms[1] < 0.1 * norms[0].mean()).sum() > (norms[0] < 0.1 * norms[0].mean()).sum() + 5
    torch.testing.assert_close(lasso[name][1], alone[name][0], rtol=1e-2, atol=1e-3)


def test_a_bad_value_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^techniques\.group_lasso\.strength=0: a number above 0"):
        GroupLasso(0)
    with pytest.raises(UserError, match=r"^techniques\.group_lasso\.of=unit: .*did you mean units"):
        GroupLasso(1, "unit")
