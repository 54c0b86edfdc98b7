"""Binary: scikit-learn's metrics, one logit, and a confusion matrix whose rows are the true classes."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from modules import make
from sklearn.metrics import brier_score_loss, confusion_matrix, f1_score, roc_auc_score

from dnnx.basics.errors import UserError
from dnnx.nets.small import SmallNet
from dnnx.tasks.binary import Binary


def predictions(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    y = (torch.rand(n, generator=g) < 0.3).long()
    return torch.randn(n, generator=g) + y, y


def test_metrics_are_those_of_scikit_learn() -> None:
    z, y = predictions()
    found = Binary().measure(Binary().read(z[None])[0], y)
    p, said = z.double().sigmoid().numpy(), (z > 0).long().numpy()
    assert found["auc"] == pytest.approx(roc_auc_score(y, p))
    assert found["f1"] == pytest.approx(f1_score(y, said))
    assert found["brier"] == pytest.approx(2 * brier_score_loss(y, p))
    assert found["loss"] == pytest.approx(F.binary_cross_entropy_with_logits(z.double(), y.double()).item())
    assert found["confusion"] == confusion_matrix(y, said).tolist()


def test_the_rows_of_a_confusion_matrix_are_true_classes() -> None:
    """One false positive and two false negatives: [[TN, FP], [FN, TP]], not the other way round."""
    y = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    z = torch.tensor([-1.0, -1, -1, 1, -1, -1, 1])
    assert Binary().measure(Binary().read(z[None])[0], y)["confusion"] == [[3, 1], [2, 1]]


@pytest.mark.parametrize("shape", [(2, 5, 1), (2, 5)])
def test_one_logit_is_read_with_and_without_its_axis(shape: tuple[int, ...]) -> None:
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    logits = Binary().read(z)
    assert logits.shape == (2, 5, 2)
    torch.testing.assert_close(logits.softmax(-1)[..., 1], z.view(2, 5).sigmoid())


def test_more_than_two_classes_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^task=binary: the data has 3 classes, two are needed; type task=classif"):
        Binary().num_outputs(SimpleNamespace(num_classes=3))


def test_a_step_of_full_batch_descent_is_that_of_logistic_regression() -> None:
    """The gradient is the mean of (p - y) x, not its negative: the loss falls."""
    x = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = torch.tensor([0, 0, 0, 1])
    net = {"num_outputs": 1, "weights": [10], "biases": [10]}
    module = make(SmallNet, Binary(), (2,), net, [0], optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    before = module.learn((x[None], y[None]), module.make_optimizer())[2].mean().item()
    assert before == pytest.approx(12.50001, abs=1e-5)
    error = torch.sigmoid(x @ torch.tensor([10.0, 10]) + 10) - y
    [weight, bias] = module.replicas.net.parameters()
    torch.testing.assert_close(weight.detach().flatten(), 10 - (error[:, None] * x).mean(0))
    torch.testing.assert_close(bias.detach().flatten(), 10 - error.mean()[None])
