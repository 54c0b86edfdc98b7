"""An exported file gives the outputs of the run without dnnx, or it is not kept."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import compose, typed
from safetensors import safe_open
from sklearn.datasets import load_digits
from torch import Tensor, nn

import dnnx
from dnnx.basics.errors import UserError
from dnnx.commands.export import export
from dnnx.config.own_code import own_targets
from dnnx.evaluation import exported
from dnnx.train import train

SHORT = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "seeds=2", "data.source=digits", "data=mnist"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    train(compose(*SHORT, "data.standardize=true", "net.hidden=[9]", "net.norm=batch", "net.dropout=0.2"), folder)
    return folder


def images() -> Tensor:
    return torch.from_numpy(np.round(load_digits().images * (255 / 16)).astype(np.uint8))[:, None]


def exported_file(run: Path, *words: str) -> Path:
    return export(compose(f"run={run}", *words, name="export"))


def of_run(folder: Path, seed: int | None = None) -> Tensor:
    run = dnnx.load(folder)
    assert isinstance(run, dnnx.api.Run)
    return run.predict(images(), seed=seed).float()


@pytest.mark.parametrize("seed", [None, 1])
def test_a_program_of_torch_has_the_outputs_of_the_run(seed: int | None, digits: Path) -> None:
    path = exported_file(digits, "format=pt2", *([f"seed={seed}"] if seed is not None else []))
    assert path.name == ("ensemble.pt2" if seed is None else "seed1.pt2")
    facts = {"dnnx.json": ""}
    program = torch.export.load(path, extra_files=facts).module()
    torch.testing.assert_close(program(images()), of_run(digits, seed), rtol=1e-5, atol=1e-6)
    assert '"uint8 [N, 1, 8, 8]"' in facts["dnnx.json"]


@pytest.mark.slow
def test_a_file_of_onnx_has_the_outputs_of_the_run(digits: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    path = exported_file(digits, "format=onnx", f"out={tmp_path / 'd.onnx'}")
    model = onnx.load(path)
    from onnx.reference import ReferenceEvaluator

    [p] = ReferenceEvaluator(model).run(None, {"x": images()[:50].numpy()})
    torch.testing.assert_close(torch.from_numpy(p), of_run(digits)[:50], rtol=1e-5, atol=1e-6)
    assert [tensor.name for tensor in (*model.graph.input, *model.graph.output)] == ["x", "predictions"]
    assert {entry.key for entry in model.metadata_props} >= {"inputs", "outputs", "classes"}


class Tied(nn.Module):
    def __init__(self, in_shape: tuple[int, ...], num_outputs: int):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, num_outputs)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.second(torch.relu(self.first(x.flatten(1))))))


def test_a_net_with_a_shared_weight_is_saved_and_exported_with_it(tmp_path: Path) -> None:
    run = dnnx.fit(Tied, seeds=2, outputs=tmp_path, overrides=[word for word in SHORT if not word.startswith("seeds")])
    network: Any = run.network(1)
    own = f"packages=[{__name__.partition('.')[0]}]"
    assert network.second.weight is network.first.weight
    for form in ("pt2", "safetensors"):
        assert exported_file(run.folder, f"format={form}", own).is_file(), "checked by its outputs"


def test_plain_weights_have_the_names_of_the_network(digits: Path) -> None:
    with safe_open(exported_file(digits, "format=safetensors", "seed=1"), "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = file.metadata()
    mean, scale = weights.pop("input.mean"), weights.pop("input.scale")
    run = dnnx.load(digits)
    assert isinstance(run, dnnx.api.Run)
    network = run.network(0)  # of another seed
    network.load_state_dict(weights)
    p = network((images() / 255 - mean) / scale).softmax(1)
    torch.testing.assert_close(p, of_run(digits, seed=1), rtol=1e-5, atol=1e-6)
    assert facts["classes"].startswith('["0", "1"')


@pytest.mark.parametrize(
    ("form", "gap", "says"),
    [
        ("onnx", 0.0, "[N, 1, 8, 8] (pixels 0 to 255) as `x`, returns probabilities [N, 10] as `predictions`; its"),
        ("pt2", 0.0, "takes uint8 [N, 1, 8, 8] (pixels 0 to 255), returns probabilities [N, 10]; its outputs are"),
        ("pt2", 3e-8, "returns probabilities [N, 10]; its outputs differ from those of the run by at most 3e-08\n"),
        ("safetensors", 0.0, "takes float32 [N, 1, 8, 8] (pixels 0 to 1, standardized by input.mean and input.scale), "
         "returns logits [N, 10]; its outputs are those of the run\n"),
    ],
)  # fmt: skip
def test_the_command_says_what_the_file_takes_and_returns(
    form: str, gap: float, says: str, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("dnnx.commands.export.require_installed", lambda *_: None)
    monkeypatch.setitem(exported.WRITERS, form, lambda run, path: gap)
    assert typed("commands.export", f"run={digits}", f"format={form}", cwd=tmp_path) == (0, "")
    assert says in capsys.readouterr().out


def test_a_file_with_other_outputs_is_not_kept(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = exported.Exported.forward
    monkeypatch.setattr(exported.Exported, "forward", lambda self, x: plain(self, x) + 0.01)
    with pytest.raises(UserError, match=r"differ from those of the run by 0.01, so it is not kept"):
        exported_file(digits, "format=pt2", f"out={tmp_path / 'x.pt2'}")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_traced_is_one_line(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return x if x.float().sum().item() > 0 else -x

    monkeypatch.setattr(exported.Exported, "forward", forward)
    with pytest.raises(UserError, match=r"its network cannot be exported; type format=safetensors") as told:
        exported_file(digits, "format=pt2")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("format=onx", "format=onx: choose one of onnx, pt2, safetensors; did you mean onnx"),
        ("out=x.txt", "out=x.txt: a file whose name ends in .pt2"),
        ("seed=7", "seed=7: this run has the seeds 0, 1"),
    ],
)
def test_a_wrong_setting_is_one_line(word: str, says: str, digits: Path, tmp_path: Path) -> None:
    code, said = typed("commands.export", f"run={digits}", "format=pt2", word, cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert says in said


def test_a_missing_package_is_named_with_its_extra(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnnx.basics.errors.find_spec", lambda package: None)
    with pytest.raises(UserError, match=r"format=onnx: onnx is not installed; type .*pip install .*\[onnx\]'"):
        exported_file(digits, "format=onnx")


OWN = {
    "conv": ["net._target_=small_conv.SmallConv"],
    "lstm": ["net._target_=lstm_rows.RowLSTM"],
    "resnet": ["net=resnet8"],
    "binary": ["task=binary", "data.classes=[3,8]", "net.hidden=[5]"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_networks_of_every_kind_are_exported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples")
    train(compose(*own_targets([*SHORT, "data.batch_size=64", *OWN[name]], "train")), tmp_path / "run")
    formats = ["pt2", "safetensors", *(["onnx"] if find_spec("onnx") and find_spec("onnxscript") else [])]
    for form in formats:
        assert exported_file(tmp_path / "run", f"format={form}", "packages=[small_conv,lstm_rows]").is_file()
