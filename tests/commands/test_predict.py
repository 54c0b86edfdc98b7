"""Predictions for a user's files are those that the run stored for the same examples, and mistakes are one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import compose, typed
from made_up_tables import houses
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import Tensor

import dnnx
from dnnx.basics.errors import UserError
from dnnx.commands.predict import predict, show
from dnnx.data.splitting import split_rows
from dnnx.train import train

SHORT = ["trainer.max_epochs=2", "trainer.accelerator=cpu", "seeds=2"]
NUM = 20  # test images as files


def pixels() -> np.ndarray:
    """The test images of data.source=digits, uint8 [360, 8, 8]."""
    return np.round(load_digits().images * (255 / 16)).astype(np.uint8)[-360:]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two seeds on standardized digits, and its first test images as files."""
    folder = tmp_path_factory.mktemp("predict")
    words = ["data=mnist", "data.source=digits", "data.standardize=true", "net.hidden=[9]"]
    train(compose(*words, *SHORT), folder / "run")
    (folder / "png").mkdir()
    for i, image in enumerate(pixels()[:NUM]):
        Image.fromarray(image).save(folder / "png" / f"{i:02}.png")
    np.savez(folder / "some.npz", x=pixels()[:NUM])
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two seeds on houses.csv, which has gaps and a column of text."""
    folder = tmp_path_factory.mktemp("table")
    houses(folder / "houses.csv")
    words = ["data=table", f"data.file={folder / 'houses.csv'}", "data.target=price", "data.missing=mean"]
    words += ["data.text=one_hot", "task=regression", "task.unit=k$", "net.hidden=[5]", "data.batch_size=8"]
    train(compose(*words, *SHORT), folder / "run")
    return folder


def stored(run: Path, name: str) -> Tensor:
    return load_file(run / "predictions.safetensors")[name].double()


def answers(run: Path, *words: str) -> pd.DataFrame:
    return predict(compose(f"run={run}", *words, name="predict"))


def close(found: Any, expected: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(np.array(found)), torch.as_tensor(expected), rtol=1e-5, atol=1e-6)


def test_probabilities_of_image_files_are_those_that_the_run_stored(digits: Path) -> None:
    found, p = answers(digits / "run", f"inputs=['{digits / 'png'}']"), stored(digits / "run", "probabilities")[:, :NUM]
    close(found[[f"p({digit})" for digit in range(10)]], p.mean(0))
    assert found["class"].tolist() == [str(digit) for digit in p.mean(0).argmax(1).tolist()]
    close(found["probability"], p.mean(0).amax(1))
    of_best = p.gather(2, p.mean(0).argmax(1)[None, :, None].expand(2, -1, 1))[..., 0]
    close(found["spread"], of_best.std(0))
    agree = (p.argmax(2) == p.mean(0).argmax(1)).sum(0).tolist()
    assert found["seeds"].tolist() == [f"{n} of 2" for n in agree]
    one = answers(digits / "run", f"inputs=['{digits / 'png'}']", "seed=1")
    close(one["p(3)"], p[1, :, 3])
    assert one["spread"].isna().all(), "one seed has no spread"


def test_the_file_has_a_column_for_each_seed_which_the_screen_has_not(
    digits: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(digits / "run", f"inputs='{digits / 'png'}'", f"out={tmp_path / 'a.csv'}")
    classes = stored(digits / "run", "probabilities")[:, :NUM].argmax(2)
    found = pd.read_csv(tmp_path / "a.csv")
    assert [found[f"seed {seed}"].tolist() for seed in (0, 1)] == classes.tolist()
    answers(table / "run", f"inputs='{table / 'houses.csv'}'", f"out={tmp_path / 'b.csv'}")
    found, run = pd.read_csv(tmp_path / "b.csv"), dnnx.load(table / "run")
    assert isinstance(run, dnnx.api.Run)
    close(found["seed 1"], run.predict(table / "houses.csv", seed=1)[:, 0].double())
    assert list(found.columns[-2:]) == ["seed 0", "seed 1"]
    assert "seed 1" not in capsys.readouterr().out


def test_files_folders_arrays_and_python_give_the_same(digits: Path, tmp_path: Path) -> None:
    run = dnnx.load(digits / "run")
    assert isinstance(run, dnnx.api.Run)
    p = stored(digits / "run", "probabilities").mean(0)
    for given in (digits / "png", str(digits / "some.npz"), [digits / "png" / "00.png", digits / "png" / "01.png"]):
        own = run.predict(given)
        close(own, p[: len(own)])
    close(run.predict(pixels()[:, None]), p)
    out = tmp_path / "new" / "answers.csv"
    answers(digits / "run", f"inputs='{digits / 'some.npz'}'", f"out={out}")
    assert pd.read_csv(out)["class"].astype(str).tolist() == [str(i) for i in p[:NUM].argmax(1).tolist()]


def test_the_spread_of_one_seed_is_said_to_be_of_one_seed(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (f"run={digits / 'run'}", "png/00.png", "seed=1", "out=b.csv")
    assert typed("commands.predict", *words, cwd=digits) == (0, "")
    assert "one seed" in capsys.readouterr().out
    assert pd.read_csv(digits / "b.csv")["spread"].isna().all()


@pytest.mark.parametrize(("width", "fits"), [(80, False), (120, True)])
def test_no_cell_is_cut_on_a_narrow_screen(
    width: int, fits: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnx.commands.predict.console", Console(width=width))
    names = ("barbera", "barolo", "grignolino")
    row = {"input": "line 2", "class": "grignolino", "probability": 0.952, "spread": 0.0213, "seeds": "20 of 20"}
    left_out = show(pd.DataFrame([row | {f"p({name})": 0.3333 for name in names}]), "20 seeds")
    shown = capsys.readouterr().out
    for cell in ("input", "probability", "spread", "line 2", "grignolino", "95.2 %", "2.1 %", "20 of 20"):
        assert f" {cell} " in shown
    assert all((f" p({name}) " in shown) == fits for name in names)
    assert left_out == ("" if fits else "no columns p(class) of the 3 classes")


def test_the_command_takes_files_as_they_are_typed(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (f"run={digits / 'run'}", "png/00.png", "png/01.png", "out=a.csv")
    assert typed("commands.predict", *words, cwd=digits) == (0, "")
    assert pd.read_csv(digits / "a.csv")["input"].tolist() == ["png/00.png", "png/01.png"]
    assert "predictions of 2 seeds" in capsys.readouterr().out


def test_numbers_of_a_table_are_those_that_the_run_stored(table: Path) -> None:
    frame = pd.read_csv(table / "houses.csv")
    rows = split_rows(torch.tensor(frame["price"].to_numpy()), (0.7, 0.15, 0.15), 0)[2]
    found = answers(table / "run", f"inputs='{table / 'houses.csv'}'")
    outputs = stored(table / "run", "outputs")[..., 0]
    close(found["price [k$]"].to_numpy()[rows], outputs.mean(0))
    close(found["spread"].to_numpy()[rows], outputs.std(0))
    assert found["input"][0] == "line 2"
    run = dnnx.load(table / "run")
    assert isinstance(run, dnnx.api.Run)
    close(run.predict(frame)[:, 0], found["price [k$]"].to_numpy().astype(np.float32))


def test_the_answers_never_replace_an_input(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table / "houses.csv").head(3)
    path = tmp_path / "in" / "new.csv"
    path.parent.mkdir()
    frame.to_csv(path, index=False)
    before = path.read_bytes()
    (tmp_path / "link.csv").symlink_to(path)
    for given, out in (("in/new.csv", "in/../in/new.csv"), ("in", "in/new.csv"), ("in/new.csv", "link.csv")):
        code, said = typed("commands.predict", f"run={table / 'run'}", given, f"out={out}", cwd=tmp_path)
        assert (code, said.count("\n")) == (2, 1)
        assert f"out={out}: it is one of the inputs, which it would replace; give another name" in said
    assert path.read_bytes() == before
    answers(table / "run", f"inputs='{path}'", f"out='{path.with_name('answers.csv')}'")
    assert path.read_bytes() == before


def test_no_name_and_a_list_of_tables_are_one_line_in_python(table: Path) -> None:
    run: Any = dnnx.load(table / "run")
    with pytest.raises(UserError, match=r"^inputs='': it is empty; name a file or folder, \. for the current one$"):
        run.predict("")
    frame = pd.read_csv(table / "houses.csv")
    for given in ([frame], [table / "houses.csv", frame]):
        with pytest.raises(UserError, match=r"^x=\[.*DataFrame\]: a list holds names of files; give a table by itself"):
            run.predict(given)


def test_columns_in_another_order_beside_others_and_without_the_target_are_found(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table / "houses.csv").head(5)
    frame.assign(note="x")[["town", "note", "age", "rooms"]].to_csv(tmp_path / "new.csv", index=False)
    found = answers(table / "run", f"inputs='{tmp_path / 'new.csv'}'")
    close(found["price [k$]"], answers(table / "run", f"inputs='{table / 'houses.csv'}'")["price [k$]"].to_numpy()[:5])


def test_each_seed_of_folds_has_its_own_scale(tmp_path: Path) -> None:
    frame = houses(tmp_path / "x.csv", gaps=False)
    words = ["data=table", f"data.file={tmp_path / 'x.csv'}", "data.target=price", "data.folds=2", "data.drop=[town]"]
    train(compose(*words, "task=regression", "net.hidden=[5]", "data.batch_size=8", *SHORT), tmp_path / "run")
    run = dnnx.load(tmp_path / "run")
    assert isinstance(run, dnnx.api.Run)
    scaling = load_file(tmp_path / "run" / "scaling.safetensors")
    assert not torch.equal(scaling["mean"][0], scaling["mean"][1])
    x = torch.tensor(frame[["rooms", "age"]].to_numpy()).float()
    for seed in (0, 1):
        own = run.network(seed)((x - scaling["mean"][seed]) / scaling["scale"][seed])
        torch.testing.assert_close(run.predict(frame, seed=seed), own.detach())


def test_texts_and_the_end_of_a_series_are_read_as_in_training(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"a {'good' if i % 2 else 'bad'} film <br /> {i}", "label": i % 2}) for i in range(60)]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    words = ["data=text", f"data.file={tmp_path / 'x.jsonl'}", "data.weighting=tfidf", "data.bigrams=true"]
    train(compose(*words, "net.hidden=[4]", "data.batch_size=8", *SHORT), tmp_path / "text")
    found = answers(tmp_path / "text", f"inputs='{tmp_path / 'x.jsonl'}'")
    rows = split_rows(torch.arange(60) % 2, (0.7, 0.15, 0.15), 0)[2]
    close(found[["p(0)", "p(1)"]].to_numpy()[rows], stored(tmp_path / "text", "probabilities").mean(0))
    (tmp_path / "one.txt").write_text("a good film 5")
    one = answers(tmp_path / "text", f"inputs='{tmp_path / 'one.txt'}'")
    close(one["p(1)"], found["p(1)"].to_numpy()[5:6])

    rng = np.random.default_rng(0)
    series = pd.DataFrame({"t": range(80), "a": rng.normal(size=80), "b": rng.normal(5, 2, 80)})
    series.to_csv(tmp_path / "s.csv", index=False)
    words = ["data=series", f"data.file={tmp_path / 's.csv'}", "data.target=b", "data.length=4", "data.sampling=2"]
    words += ["data.order=reversed", "task=regression", "net.hidden=[4]", "data.batch_size=8"]
    train(compose(*words, *SHORT), tmp_path / "series")
    last = 80 - 2 - 1  # the last row of the last test window; its target is two rows later
    series.head(last + 1).to_csv(tmp_path / "now.csv", index=False)
    found = answers(tmp_path / "series", f"inputs='{tmp_path / 'now.csv'}'")
    expected = stored(tmp_path / "series", "outputs").mean(0)[-1].item()
    assert found["b"][0] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_run_of_an_earlier_version_predicts_from_its_data(digits: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(digits / "run", tmp_path / "old"))
    for name in ("preprocessing.json", "scaling.safetensors"):
        (old / name).unlink()
    found = answers(old, f"inputs='{digits / 'some.npz'}'")
    close(found["p(3)"], stored(digits / "run", "probabilities").mean(0)[:NUM, 3])


def image(path: Path, size: tuple[int, int] = (8, 8), mode: str = "L") -> None:
    Image.new(mode, size).save(path)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("no.png", None, r"inputs=.*no.png: there is no such file or folder"),
        ("x.png", lambda path: path.write_text("text"), r"x.png: it cannot be read as an image \(no known format\)"),
        (
            "x.png",
            lambda path: image(path, (9, 7)),
            r"x.png: it has 7 x 9 pixels, the training images 8 x 8; type conv",
        ),
        (
            "x.png",
            lambda path: image(path, mode="RGB"),
            r"it has the mode RGB, the training images are grey \(mode L\)",
        ),
        ("x.png", lambda path: image(path, mode="I;16"), r"x.png: it has the mode I;16; 8 bits in"),
        ("x", lambda path: path.mkdir(), r"x: the folder holds no image"),
        ("x.npz", lambda path: np.savez(path, y=np.zeros(3)), r"x.npz: it needs an array x; it has y"),
        ("x.npz", lambda path: np.savez(path, x=np.zeros((2, 5))), r"the network cannot predict for \[2, 5\]"),
    ],
)
def test_an_input_that_does_not_fit_is_one_line(name: str, make: Any, says: str, digits: Path, tmp_path: Path) -> None:
    if make is not None:
        make(tmp_path / name)
    with pytest.raises(UserError, match=says) as told:
        answers(digits / "run", f"inputs='{tmp_path / name}'")
    assert "\n" not in str(told.value)


def test_all_files_of_a_folder_that_do_not_fit_are_named_in_one_line(digits: Path, tmp_path: Path) -> None:
    image(tmp_path / "good.png")
    (tmp_path / "0.png").write_text("text")
    for i in range(1, 3):
        image(tmp_path / f"{i}.png", mode="RGB")
    words = (f"run={digits / 'run'}", ".", "out=a.csv")
    code, said = typed("commands.predict", *words, cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert (
        "3 of 4 files do not fit: 0.png: it cannot be read as an image (no known format); 1.png, 2.png: it has" in said
    )
    assert not (tmp_path / "a.csv").exists()
    for i in range(3, 9):
        image(tmp_path / f"{i}.png", (9, 7))
    code, said = typed("commands.predict", *words, cwd=tmp_path)
    assert said.count(".png") == 5
    assert said.strip().endswith("; and 4 more")


def test_a_doubt_is_told_about_images_with_light_and_dark_swapped(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "swapped.npz", x=255 - pixels()[:NUM])
    for name, is_doubtful in ((digits / "some.npz", False), (digits / "png", False), (tmp_path / "swapped.npz", True)):
        answers(digits / "run", f"inputs='{name}'")
        told = " ".join(capsys.readouterr().out.split())
        assert ("much lighter than those of the training data (mean pixel 177 against 78)" in told) == is_doubtful


def test_images_are_converted_on_demand(digits: Path, tmp_path: Path) -> None:
    Image.fromarray(pixels()[0]).resize((16, 16), Image.Resampling.NEAREST).convert("RGB").save(tmp_path / "x.png")
    found = answers(digits / "run", f"inputs='{tmp_path / 'x.png'}'", "convert=true")
    smaller = Image.open(tmp_path / "x.png").convert("L").resize((8, 8), Image.Resampling.BILINEAR)
    run = dnnx.load(digits / "run")
    assert isinstance(run, dnnx.api.Run)
    close(found["p(3)"], run.predict(np.asarray(smaller)[None, None])[:, 3])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rooms,town\n1,Ayr\n", r"new.csv: it lacks the columns age, which the training file has"),
        ("rooms,age,town\n1,2,Bth\n", r"line 2, column town: 'Bth' is none of Ayr, Bath, Cork.*; did you mean Bath"),
        ("rooms,age,town\n1,2,Ayr\nmany,2,Ayr\n", r"line 3, column rooms: 'many' is no number"),
        ("rooms,age,town\n1,2\n", r"line 2 has 2 columns, the header 3"),
        ("rooms,age,town\n", r"there is no row beneath the header"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(text: str, says: str, table: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(text)
    with pytest.raises(UserError, match=says) as told:
        answers(table / "run", f"inputs='{tmp_path / 'new.csv'}'")
    assert "\n" not in str(told.value)


def test_a_gap_is_refused_where_training_filled_none(tmp_path: Path) -> None:
    houses(tmp_path / "x.csv", gaps=False)
    words = ["data=table", f"data.file={tmp_path / 'x.csv'}", "data.target=price", "data.drop=[town]"]
    train(compose(*words, "task=regression", "net.hidden=[5]", "data.batch_size=8", *SHORT), tmp_path / "run")
    (tmp_path / "new.csv").write_text("rooms,age\n1,2\n,3\n")
    with pytest.raises(
        UserError, match=r"line 3, column rooms: the value is missing; only a run with data.missing=mean"
    ):
        answers(tmp_path / "run", f"inputs='{tmp_path / 'new.csv'}'")


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda run: (run / "model.safetensors").unlink(), "its best weights, model.safetensors, are missing"),
        (lambda run: (run / "results.json").unlink(), "it did not finish; go on with"),
        (lambda run: shutil.rmtree(run), "there is no such folder"),
        (lambda run: (run / "scaling.safetensors").unlink(), "not readable as safetensors"),
        (
            lambda run: (run / "preprocessing.json").write_text("{}"),
            "preprocessing.json: it must hold arguments",
        ),
        (lambda run: (run / "study.json").write_text("{}"), "it is a study; give one of its arms"),
    ],
)
def test_a_run_that_cannot_predict_says_why(break_it: Any, says: str, digits: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(digits / "run", tmp_path / "run"))
    break_it(run)
    code, said = typed("commands.predict", f"run={run}", str(digits / "some.npz"), cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert says in said


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("out=answers.txt", "out=answers.txt: a .csv file, for example"),
        ("inputs=[]", "inputs=[]: name files or folders, for example dnnx predict"),
        ("seed=9", "seed=9: this run has the seeds 0, 1"),
        ("sed=0", "there is no such key; did you mean seed"),
    ],
)
def test_a_wrong_setting_is_one_line(word: str, says: str, digits: Path, tmp_path: Path) -> None:
    files = [] if word.startswith("inputs") else [str(digits / "some.npz")]
    code, said = typed("commands.predict", f"run={digits / 'run'}", word, *files, cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert says in said


def test_a_task_without_a_class_or_number_for_each_example_says_how_in_python(tmp_path: Path) -> None:
    words = ["data=mnist", "data.source=digits", "task=reconstruction", "net=autoencoder", "net.hidden=[9,4]"]
    train(compose(*words, *SHORT), tmp_path / "run")
    np.savez(tmp_path / "x.npz", x=pixels()[:2])
    with pytest.raises(
        UserError, match=r"its task is Reconstruction: it predicts \[N, .*; use run.predict\(x\) in Python"
    ):
        answers(tmp_path / "run", f"inputs='{tmp_path / 'x.npz'}'")
