"""Autoencoder: its loss is torch's, a seed among others is that seed alone, a transfer starts from its encoder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from commands import command, compose
from modules import autoencoder as make_autoencoder
from rebuilt import rebuilt
from safetensors.torch import load_file
from torch import Tensor
from tuning_sweeps import OWN

from dnnx.basics.errors import UserError
from dnnx.evaluate import evaluate
from dnnx.nets.autoencoder import Autoencoder
from dnnx.reports.report import build
from dnnx.runs.read import read_run
from dnnx.train import train
from dnnx.training.replicas import Replicas

NETS: dict[str, dict[str, Any]] = {"plain": {}, "bn": {"norm": "batch"}, "denoising": {"input_dropout": 0.3}}
SMALL = [
    "+exp=pretext", "task=reconstruction", "net=autoencoder", "data.source=digits", "data.val_per_class=30",
    "data.batch_size=64", "net.hidden=[20,10]", "trainer.max_epochs=3",
    "~callbacks.progress",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three seeds."""
    made = tmp_path_factory.mktemp("autoencoder") / "run"
    train(compose(*SMALL, "seeds=3", "callbacks=layer_statistics"), made)
    return made


def batches(seeds: list[int]) -> Iterator[Tensor]:
    """Ten batches of images, each seed's own."""
    for step in range(10):
        streams = [torch.Generator().manual_seed(100 * seed + step) for seed in seeds]
        yield torch.stack([torch.rand(20, 12, generator=g) for g in streams])


def trained(seeds: list[int], net: dict) -> Replicas:
    module = make_autoencoder(12, {"hidden": [9, 8, 4], **net}, seeds)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for x in batches(seeds):
        module.learn((x, torch.zeros(len(seeds), 20, dtype=torch.int64)), optimizer)
    return module.replicas


# --- the network and its loss


def test_the_decoder_mirrors_the_encoder() -> None:
    net = Autoencoder(12, [9, 8, 4])
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters() if name.endswith("weight")}
    assert list(shapes.values()) == [(9, 12), (8, 9), (4, 8), (8, 4), (9, 8), (12, 9)]
    assert {name.split(".")[0] for name in shapes} == {"encoder", "decoder"}
    assert net(torch.rand(5, 12)).shape == (5, 12)


@pytest.mark.parametrize("seeds", [[3], [3, 7]])
def test_the_loss_is_torchs_mean_squared_error_of_the_image_that_came_in(seeds: list[int]) -> None:
    module, x = make_autoencoder(12, {"hidden": [9, 4], "input_dropout": 0.5}, seeds), next(batches(seeds))
    made = module.eval().replicas(x)
    expected = [F.mse_loss(made[r], x[r]).item() for r in range(len(seeds))]
    outputs, labels = module(x), torch.zeros(x.shape[:2], dtype=torch.int64)
    targets = module.targets(x, labels, outputs)
    loss = module.losses(outputs, targets)
    assert loss.shape == labels.shape
    assert module.objective(outputs, targets, loss).tolist() == pytest.approx(expected)
    one = module(x[0])  # one batch for all
    torch.testing.assert_close(one[0], module(x)[0])


@pytest.mark.parametrize("net", NETS)
def test_a_seed_trained_among_others_is_that_seed_alone(net: str) -> None:
    among = trained([3, 7, 11], NETS[net])
    assert among.way == "batched"
    for r, seed in enumerate([3, 7, 11]):
        for name, value in trained([seed], NETS[net]).stacked_state().items():
            torch.testing.assert_close(among.stacked_state()[name][r], value[0], rtol=1e-4, atol=1e-5, msg=name)


# --- a run


def test_an_autoencoder_records_its_reconstruction_error_and_no_accuracy(folder: Path) -> None:
    module, data = rebuilt(folder)
    module.eval()
    results = evaluate(compose(f"run={folder}", name="evaluate"))
    assert {name for name in results if "/" in name} == {"test/loss", "train/loss", "val/loss"}
    made = module.replicas(x := data.splits["test"][0], shared=True)
    assert results["test/loss"] == pytest.approx(
        [F.mse_loss(of_seed, x.flatten(1)).item() for of_seed in made], rel=1e-5
    )
    table = pd.read_csv(folder / "metrics.csv")
    curves = table[table.split.isin(["train", "val"])]
    assert set(curves.metric) == {"loss"}
    best = curves[curves.split == "val"].groupby("seed").value.min()
    assert results["val/loss"] == pytest.approx(best.tolist(), rel=1e-5)
    first, _, last = (of_epoch.value.to_numpy() for _, of_epoch in curves[curves.split == "train"].groupby("epoch"))
    assert (last < first).all()


def test_the_progress_bar_of_an_autoencoder_shows_its_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(compose(*SMALL[:-1], "seeds=1", "trainer.max_epochs=1"), tmp_path / "run")
    shown = capsys.readouterr().out
    assert "val/loss" in shown
    assert "accuracy" not in shown


def test_layer_statistics_are_of_both_parts(folder: Path) -> None:
    layers = read_run(folder, "run").hidden_layers
    assert layers == {
        "run encoder": [f"encoder.hidden_layers.{i}" for i in range(2)],
        "run decoder": ["decoder.hidden_layers.0"],
    }


def test_the_figure_shows_test_images_and_their_reconstructions(folder: Path) -> None:
    module, data = rebuilt(folder)
    module.eval()
    shown = load_file(folder / "predictions.safetensors")
    assert torch.equal(shown["sample_images"], data.test_pictures(torch.arange(20)))
    made = module.replicas(data.splits["test"][0][:20], shared=True)[0]
    expected = (255 * made).clamp(0, 255).view(20, 8, 8, 1)
    assert (shown["reconstructions"] - expected).abs().max() <= 0.51


def test_a_report_compares_reconstruction_errors(folder: Path, tmp_path: Path) -> None:
    train(compose(*SMALL, "seeds=3", "net.norm=batch"), tmp_path / "bn")
    report = build([folder, tmp_path / "bn"], tmp_path / "report")
    assert report.verdicts[0].ask == "Is the test loss of bn lower than that of run?"
    assert not np.isnan(report.verdicts[0].p)
    assert "reconstructions" in {path.stem for path in report.figures}


def test_a_run_of_one_seed_is_that_seed_of_the_run_of_three(folder: Path, tmp_path: Path) -> None:
    results = train(compose(*SMALL, "seeds=[1]"), tmp_path / "alone")
    among, alone = (load_file(run / "model.safetensors") for run in (folder, tmp_path / "alone"))
    for name, value in alone.items():
        torch.testing.assert_close(among[name][1], value[0], rtol=1e-3, atol=1e-4, msg=name)
    assert results["epoch/last"] == [3]


def test_a_transfer_starts_from_the_trained_encoder(folder: Path, tmp_path: Path) -> None:
    few = [
        "data=mnist59",
        "data.source=digits",
        "net=backbone",
        "+technique=pretrained",
        f"backbone={folder}",
        "seeds=2",
    ]
    frozen = [
        "techniques.pretrained.part=encoder",
        "techniques.pretrained.frozen=['hidden_layers.*']",
        "trainer.max_epochs=2",
    ]
    train(compose(*few, *frozen), tmp_path / "run")
    theirs, ours = (load_file(made / "model.safetensors") for made in (folder, tmp_path / "run"))
    loaded = [name for name in ours if not name.startswith("output.")]
    assert {f"encoder.{name}" for name in loaded} == {name for name in theirs if name.startswith("encoder.")}
    assert all(torch.equal(ours[name], theirs[f"encoder.{name}"][:2]) for name in loaded)


# --- refused settings


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["+technique=label_smoothing"],
            "techniques.label_smoothing: task=Reconstruction has no class labels",
        ),
        (["net.hidden=[]"], "net.hidden=[]: a list of widths"),
        (["net.hidden=[10]"], "net.hidden=[10]: two widths or more"),
        (["net.input_dropout=0.1", "mc_dropout=5"], "mc_dropout=5: only for classes, not for task=Reconstruction"),
    ],
)
def test_a_setting_that_an_autoencoder_cannot_have_is_a_one_line_error(
    overrides: list[str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        train(compose(*SMALL, *overrides), tmp_path / "run")
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_tuning_takes_the_loss_where_there_is_no_other_metric(tmp_path: Path) -> None:
    typed = ["+exp=pretext", "arm=autoencoder", "+sweep=tiny", "data.val_per_class=30"]
    done = command("tune", "--config-dir", str(OWN), *typed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
