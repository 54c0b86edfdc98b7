"""A report shows the numbers of the files, everything that is missing, and nothing from elsewhere."""

import json
import re
import xml.etree.ElementTree as ET
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from made_up_runs import pair_predictions, write_run, write_study
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from dnnx.basics.errors import UserError
from dnnx.reports import page, report
from dnnx.reports.figures import along, confusion, depth, drawing, layers, lr_search, pictures, reliability, roc
from dnnx.reports.report import Report, build
from dnnx.reports.sections.drawn import UNDRAWN
from dnnx.reports.statistics import estimate
from dnnx.runs.legacy import THRESHOLD
from dnnx.runs.read import read_run, read_study

VERDICTS = [
    {"ask": "More accurate?", "metric": "test/accuracy", "arm": "bn", "than": "plain", "expect": "higher"},
    {"ask": "Faster?", "metric": "convergence/epochs", "arm": "bn", "than": "plain", "expect": "lower"},
]
FILES = ["config.yaml", "environment.json", "data.json", "results.json", "predictions.safetensors", "metrics.csv"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Report:
    """One report with all its figures, for tests that only look at it."""
    folder = write_study(tmp_path_factory.mktemp("drawn") / "s", {"plain": {}, "bn": {"noise": 1, "diverged": [3]}})
    return build([folder], folder)


def text(path: Path) -> str:
    return re.sub(r"\s+", " ", path.read_text().replace("\\", ""))


def row(markdown: Path, section: str, arm: str) -> list[str]:
    part = markdown.read_text().replace("\u00a0", " ").split(f"## {section}")[1]
    line = next(line for line in part.splitlines() if line.startswith(f"| {arm}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def cell(markdown: Path, section: str, arm: str, head: str) -> str:
    return row(markdown, section, arm)[row(markdown, section, "arm ").index(head)]


@pytest.mark.usefixtures("undrawn")
def test_table_numbers_equal_a_recomputation_by_hand(study):
    made = build([study], study)
    results = json.loads((study / "bn/results.json").read_text())
    reference = json.loads((study / "plain/results.json").read_text())
    metrics = pd.read_csv(study / "bn/metrics.csv").query("split == 'val' and metric == 'loss'")

    x = 100 * np.array(results["test/accuracy"])
    half = 2.776445 * x.std(ddof=1) / 5**0.5  # t(4)
    assert row(made.md, "Arms", "bn")[1] == f"{x.mean():.2f} % ({x.mean() - half:.2f} to {x.mean() + half:.2f}, n = 5)"
    assert cell(made.md, "Arms", "bn", "ensemble accuracy") == f"{100 * results['ensemble/accuracy'][0]:.2f} %"

    first = []
    for seed, target in zip(reference["seeds"], reference["val/loss"], strict=True):
        curve = metrics[metrics.seed == seed]
        below = curve[curve.value <= target].epoch
        first.append(below.min() if len(below) else np.inf)
    reached = sum(np.isfinite(first))
    assert row(made.md, "Convergence", "bn")[1] == f"{reached} of 5"
    assert 'By this measure "plain" always arrives' in made.md.read_text(), "an arm may be named by a usual word"
    assert row(made.md, "Convergence", "bn")[2] == ("never" if np.isinf(np.median(first)) else f"{np.median(first):g}")

    last = metrics[metrics.epoch == metrics.epoch.max()].set_index("seed").value
    rise = (last - metrics.groupby("seed").value.min()).mean()
    assert float(row(made.md, "Overfitting", "bn")[4].split()[0]) == pytest.approx(rise, abs=5e-4)
    assert row(made.md, "Cost", "bn")[1:4] == ["119,005", "119,005", "0.500"]

    gaps = 100 * (np.array(results["test/accuracy"]) - np.array(reference["test/accuracy"]))
    low, high = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert f"+{gaps.mean():.2f} points (95 % interval +{low:.2f} to +{high:.2f})" in made.sentences[0]


@pytest.mark.usefixtures("undrawn")
def test_question_answers_data_commands_and_differences_are_in_both_forms(tmp_path):
    arms = {
        "plain": {"seeds": [1, 2, 3], "accuracy": [0.90, 0.91, 0.92]},
        "bn": {"seeds": [1, 2, 3], "accuracy": [0.95, 0.96, 0.975], "config": {"net": {"norm": "batch"}}},
    }
    folder = write_study(tmp_path / "s", arms, verdicts=VERDICTS)
    made = build([folder], folder)
    for form in (text(made.md), re.sub("<[^>]*>", "", text(made.html)).replace("&lt;", "<").replace("&quot;", '"')):
        for expected in (
            "Does a < b?",
            "More accurate?",
            "Yes",
            "python -m dnnx.train +exp=made_up",
            "net.norm",
            '"batch"',
            "ab" * 32,
        ):
            assert expected in form
    assert made.notes == []
    assert made.verdicts[0].answer == "yes"


@pytest.mark.usefixtures("undrawn")
def test_the_data_is_named_at_the_top_and_in_its_own_section_alone(study):
    markdown = build([study], study).md.read_text().replace("\\", "")
    top, *_ = markdown.split("## Answer")
    of_data = markdown.split("## Data")[1].split("## ")[0]
    assert "made-up <digits>: 1,000 train, 100 val, 10,000 test" in top
    assert markdown.count("made-up <digits>") == top.count("made-up <digits>") + of_data.count("made-up <digits>")


@pytest.mark.usefixtures("undrawn")
def test_arms_of_several_kinds_of_data_name_each_at_the_top(study):
    described = json.loads((study / "bn/data.json").read_text())
    (study / "bn/data.json").write_text(json.dumps(described | {"note": "other digits"}))
    top = build([study], study, force=True).md.read_text().split("## Answer")[0]
    assert "made-up" in top
    assert "other digits" in top


@pytest.mark.parametrize("file", FILES)
def test_a_deleted_file_is_named_and_the_rest_reported(study, file):
    (study / "bn" / file).unlink()
    made = build([study], study)
    (note,) = made.notes
    assert f"bn: {file} is missing" in note
    assert note in text(made.html)
    assert row(made.md, "Arms", "plain")[1].startswith("97.00 %")
    if file != "results.json":
        assert row(made.md, "Arms", "bn")[1].startswith("98.02 %")
    if file != "metrics.csv":
        assert row(made.md, "Convergence", "bn")[1].endswith(" of 5")


@pytest.mark.usefixtures("undrawn")
def test_arms_without_results_are_named_first(study):
    assert "no results" not in build([study], study).md.read_text()
    (study / "bn/results.json").unlink()
    declared = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps(declared | {"arms": ["plain", "bn", "gone"]}))
    told = build([study], study).md.read_text().replace("\\", "")
    assert "gone, bn have no results: failed, stopped, or still in training; python -m dnnx.train resume=" in told
    assert told.index("have no results") < told.index("## Arms")


def test_every_arm_without_results_or_curves_still_gives_a_report(study):
    for arm in ("plain", "bn"):
        (study / arm / "results.json").unlink()
    assert "not measured in bn" in build([study], study).sentences[0]
    for arm in ("plain", "bn"):
        (study / arm / "results.json").write_text('{"seeds": [1]}')
        (study / arm / "metrics.csv").unlink()
    assert build([study], study).figures == []


def test_diverged_seeds_are_counted_and_enter_no_statistic(tmp_path):
    folder = write_study(tmp_path / "s", {"plain": {}, "bn": {"diverged": [0, 1, 2, 3, 4]}})
    made = build([folder], folder)
    assert row(made.md, "Arms", "bn")[1:] == ["not measured"] * 5 + [row(made.md, "Arms", "bn")[6], "5 of 5"]
    assert row(made.md, "Convergence", "bn")[1:4] == ["0 of 5", "never", "never"]
    assert "nan" not in re.sub("<[^>]*>", "", made.html.read_text())


@pytest.mark.usefixtures("undrawn")
def test_a_single_seed_and_a_single_arm_give_a_report_without_an_answer(tmp_path):
    run = write_run(tmp_path / "a", seeds=[4])
    made = build([run], tmp_path / "out")
    assert made.sentences == []
    assert "n = 1" in made.md.read_text()
    two = build([run, write_run(tmp_path / "b", seeds=[4])], tmp_path / "two")
    assert two.verdicts[0].answer == "undecided"


def test_the_same_files_give_the_same_bytes(study, tmp_path):
    one, two = build([study], tmp_path / "one"), build([study], tmp_path / "two")
    for path in sorted(p.relative_to(one.md.parent) for p in one.md.parent.rglob("*.*")):
        assert (one.md.parent / path).read_bytes() == (two.md.parent / path).read_bytes(), path


def test_the_page_is_well_formed_and_asks_for_nothing_outside_itself(drawn):
    page = drawn.html.read_text()
    root = ET.fromstring(page)
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not re.search(r"https?:|^//|url\((?!#)", value), (element.tag, name, value)
            if name in ("href", "src"):
                assert value.startswith(("#", "data:"))
    assert not re.search(r"https?://|@import|<script|url\((?!#)", page)


def test_ids_are_unique_in_the_page(drawn):
    ids: list[str] = []

    class Ids(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            ids.extend(value or "" for name, value in attrs if name == "id")

    Ids().feed(drawn.html.read_text())
    assert len(ids) == len(set(ids)) > 0


@pytest.mark.usefixtures("undrawn")
def test_text_from_files_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    arms = {
        "plain": {"environment": {"command": evil, "cpu": evil}, "data": {"note": evil}, "config": {"x": evil}},
        "bn": {"data": {"note": evil}},
    }
    folder = write_study(tmp_path / "s", arms, name=evil, question=evil)
    assert "<script" not in build([folder], folder).html.read_text()


def test_figures_are_svg_and_png_and_follow_the_colour_of_the_page(drawn):
    assert [path.stem for path in drawn.figures] == [
        "forest",
        "accuracy",
        "curves_val_loss",
        "curves_train_loss",
        "curves_val_accuracy",
        "curves_train_accuracy",
        "seconds_val_loss",
        "seconds_val_accuracy",
        "confusion",
        "hardest",
    ]
    for path in drawn.figures:
        assert "currentColor" in path.read_text()
        ET.parse(path)
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert sum(path.stat().st_size for path in drawn.figures) < 1_000_000


def test_pairs_have_samples_a_roc_and_an_embedding_and_need_no_confusion_matrix(tmp_path):
    pairs: dict[str, Any] = {"data": {"class_names": ["same", "different"]}}
    arms = {"twin": pairs, "siamese": pairs | {"diverged": [1]}}
    folder = write_study(tmp_path / "s", arms)
    for arm in arms:
        pair_predictions(folder / arm, n=40)
        results = json.loads((folder / arm / "results.json").read_text())
        del results["test/confusion"]
        (folder / arm / "results.json").write_text(
            json.dumps(results | {"test/auc": [0.99] * 5, "test/threshold": [0.4] * 5})
        )
    made = build([folder], folder)
    assert [path.stem for path in made.figures][-4:] == ["hardest", "sample", "roc", "embedding"]
    assert cell(made.md, "Arms", "twin", "test auc").startswith("99.00 %")
    assert cell(made.md, "Arms", "twin", "test threshold").startswith("0.400")
    assert THRESHOLD in text(made.md)
    assert text(made.md).count("the true one. At the threshold 0.5.") == 4  # alternative text and caption of two
    runs = read_study([folder]).runs
    curve = roc.draw(runs).axes[0].lines[0]
    assert list(curve.get_ydata()) == sorted(curve.get_ydata())  # type: ignore[type-var, arg-type]
    assert curve.get_ydata()[-1] == 1  # type: ignore[index]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("n", [10, 40])
def test_data_that_cannot_be_embedded_have_no_embedding(tmp_path, n):
    pair_predictions(write_run(tmp_path / "a"), n)
    stems = {path.stem for path in build([tmp_path / "a"], tmp_path / "out").figures}
    assert ("embedding" in stems) == (n == 40)


def test_links_of_the_markdown_lead_to_files(drawn):
    links = re.findall(r"\]\((.*?)\)", drawn.md.read_text())
    assert len(links) == 10
    assert all((drawn.md.parent / link).is_file() for link in links)


@pytest.mark.usefixtures("undrawn")
def test_another_dnnx_version_is_a_note(study, monkeypatch):
    monkeypatch.setattr(report, "version", lambda name: "9.9")
    notes = build([study], study).notes
    assert notes == [f"{arm}: made by dnnx 0.1.0, read by dnnx 9.9" for arm in ("plain", "bn")]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("data", [{"source": "digits"}, {"class_names": list("abcde")}, {"sizes": {"test": 7}}])
def test_arms_of_other_data_are_refused_unless_forced(tmp_path, data):
    folders = [write_run(tmp_path / "a"), write_run(tmp_path / "b", data=data)]
    with pytest.raises(UserError, match="other data"):
        build(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "other data" in build(folders, tmp_path / "out", force=True).md.read_text()


@pytest.mark.usefixtures("undrawn")
def test_a_broken_file_is_refused_unless_forced(study, tmp_path):
    (study / "bn/results.json").write_text('{"seeds": [0, 1')
    with pytest.raises(UserError, match=r"bn: results.json cannot be read: .*line 1 column"):
        build([study], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    made = build([study], tmp_path / "out", force=True)
    assert "results.json cannot be read" in made.notes[0]
    assert row(made.md, "Arms", "plain")[1].startswith("97.00 %")


def sweep(
    folder: Path, arms: int = 2, values: tuple[object, ...] = (10, 100), axes: tuple[str, ...] = ("data.n",)
) -> Path:
    made = {
        f"arm{i}_data.n-{value}": {"config": {"arm": f"arm{i}", "data": {"n": value}, "net": {"width": 5}}, "noise": i}
        for i in range(arms)
        for value in values
    }
    return write_study(folder, made, axes=list(axes))


def test_a_swept_number_has_a_figure_with_a_line_per_arm_through_the_means(tmp_path):
    folder = sweep(tmp_path / "s")
    assert build([folder], folder).figures[1].stem == "by_data.n"
    lines = read_study([folder]).along("data.n")
    assert {name: {value: run.name for value, run in line.items()} for name, line in lines.items()} == {
        f"arm{i}": {10: f"arm{i}_data.n-10", 100: f"arm{i}_data.n-100"} for i in range(2)
    }
    drawn = along.draw("data.n", lines, "test/accuracy").axes[0]
    assert drawn.get_xscale() == "log"
    for line, runs in zip(drawn.lines, lines.values(), strict=True):
        means = [100 * run.values("test/accuracy").mean() for run in runs.values()]
        assert list(line.get_xdata()) == list(runs)  # type: ignore[arg-type]
        assert list(line.get_ydata()) == pytest.approx(means)  # type: ignore[arg-type]
    for band, runs in zip(drawn.collections, lines.values(), strict=True):
        bounds = [estimate(100 * run.values("test/accuracy")) for run in runs.values()]
        edges = {round(y, 9) for y in np.asarray(band.get_paths()[0].vertices)[:, 1]}
        assert edges >= {round(bound, 9) for e in bounds for bound in (e.low, e.high)}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("values", "axes"),
    [
        ((10, 100), ()),
        (("a", "b"), ("data.n",)),
        ((10,), ("data.n",)),
        ((True, False), ("data.n",)),
        ((10, 100), ("data.gone",)),
    ],
)
def test_a_key_that_is_no_swept_number_has_no_sweep_figure(tmp_path, values, axes):
    folder = sweep(tmp_path / "s", values=values, axes=axes)
    assert not [path for path in build([folder], folder).figures if path.stem.startswith("by_")]


@pytest.mark.usefixtures("undrawn")
def test_two_swept_numbers_have_a_figure_each_with_lines_for_the_other(tmp_path):
    made = {
        f"n{n}_w{w}": {"config": {"arm": None, "data": {"n": n}, "net": {"width": w}}} for n in (1, 2) for w in (3, 4)
    }
    folder = write_study(tmp_path / "s", made, axes=["data.n", "net.width"])
    assert [path.stem for path in build([folder], folder).figures][1:3] == ["by_data.n", "by_net.width"]
    assert list(read_study([folder]).along("data.n")) == ["all, width 3", "all, width 4"]


@pytest.mark.usefixtures("undrawn")
def test_zeros_have_a_table_and_a_figure_with_a_line_for_arms_that_are_numbered(tmp_path):
    shares = {"dense": 0.0, "one_shot_80": 0.8, "one_shot_95": 0.95, "ftrl": 0.531}
    folder = write_study(tmp_path / "s", {name: {"noise": i} for i, name in enumerate(shares)})
    assert "by_zeros" not in [path.stem for path in build([folder], folder).figures]
    for name, share in shares.items():
        path = folder / name / "results.json"
        found: dict[str, list] = {"sparsity": [share] * 5}
        if share:
            found |= {"size/dense_bytes": [476000] * 5, "size/sparse_bytes": [round(720000 * (1 - share))] * 5}
            found |= {"time/dense_s": [0.02] * 5, "time/sparse_s": [0.01] * 5}
        path.write_text(json.dumps(json.loads(path.read_text()) | found))
    made = build([folder], folder)
    assert made.figures[1].stem == "by_zeros"
    lines = {name: list(line) for name, line in along.along_zeros(read_study([folder])).items()}
    assert lines == {"dense": [100], "one_shot": [20, 5], "ftrl": [46.9]}
    part = made.md.read_text().replace("\\", "").replace("\u00a0", " ").split("| arm | weights that are zero")[1]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    one_shot = next(row for row in rows if row[0] == "one_shot_95")
    assert one_shot[1].startswith("95.00 %")
    assert one_shot[2].startswith("476,000")
    assert one_shot[3].startswith("36,000")
    assert one_shot[4:] == ["0.0200", "0.0100"]
    assert rows[1][0] == "dense"
    assert rows[1][1].startswith("0.00 %")
    assert set(rows[1][2:]) == {"not measured"}


@pytest.mark.usefixtures("undrawn")
def test_figures_that_many_arms_would_make_unreadable_are_left_out_with_a_note(tmp_path):
    few, many = (build([folder := sweep(tmp_path / str(n), arms=n)], folder) for n in (4, 5))
    assert {"curves_val_loss", "confusion", "hardest"} <= {path.stem for path in few.figures}
    curves = ["curves_val_loss", "curves_val_accuracy"]
    assert [path.stem for path in many.figures] == ["forest", "by_data.n", "accuracy", *curves]
    assert UNDRAWN in text(many.md)
    assert UNDRAWN not in text(few.md)
    assert row(many.md, "What differs", "arm4")[1:] == ['"arm4"', "10"]  # a row per arm


def add_layers(run: Path, epochs: list[int], depth: int = 3, tower: str = "") -> None:
    """Statistics that tell layer, seed and epoch: the mean is layer + seed / 10 + epoch / 100, the deviation 1 more."""
    with (run / "metrics.csv").open("a") as file:
        for epoch in epochs:
            for layer in range(depth):
                for seed in range(5):
                    value = layer + seed / 10 + epoch / 100
                    file.write(f"{epoch},{tower}hidden_layers.{layer},activation_mean,{seed},{value}\n")
                    file.write(f"{epoch},{tower}hidden_layers.{layer},activation_std,{seed},{value + 1}\n")


def test_activations_through_depth_are_at_initialization_and_at_each_seeds_best_epoch(tmp_path):
    folder = write_study(tmp_path / "s", {"plain": {}, "bn": {"diverged": [3]}})
    for arm in ("plain", "bn"):
        add_layers(folder / arm, list(range(13)))
    runs = read_study([folder]).runs
    figure = depth.draw(runs)
    assert [axes.get_title() for axes in figure.axes] == ["at initialization", "at the best epoch", *[""] * 4]
    best = runs[1].values("epoch/best").drop(3)
    for axes, statistic, start in zip(figure.axes[:4], ("mean", "mean", "std", "std"), (True, False) * 2, strict=True):
        ideal, *arms = axes.get_lines()
        assert set(ideal.get_ydata()) == {statistic == "std"}  # type: ignore[arg-type]
        seeds = np.arange(5) if start else best.index.to_numpy()
        epochs = 0 if start else best.to_numpy()
        expected = (seeds / 10 + epochs / 100).mean() + (statistic == "std") + np.arange(3)
        assert list(arms[1].get_ydata()) == pytest.approx(list(expected))  # type: ignore[arg-type]
        assert list(arms[1].get_xdata()) == [1, 2, 3]  # type: ignore[arg-type]


def test_each_tower_has_a_line_through_depth_and_a_column_of_layers_of_its_own(tmp_path):
    folder = write_study(tmp_path / "s", {"plain": {}, "twin": {}})
    add_layers(folder / "plain", [0, 1])
    for tower in "ab":
        add_layers(folder / "twin", [0, 1], tower=f"tower_{tower}.")
    runs = read_study([folder]).runs
    labels = ["plain", "twin tower a", "twin tower b"]
    assert depth.draw(runs).axes[0].get_legend_handles_labels()[1] == labels
    columns = layers.draw(runs).axes[:3]
    assert [axes.get_title() for axes in columns] == labels
    assert [len(axes.get_lines()) for axes in columns] == [3, 3, 3]


def texts(figure: Figure) -> list[Text]:
    """Of the first axes of a figure that is laid out."""
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    return [*axes.texts, *axes.get_xticklabels()]


@pytest.mark.parametrize("draw", [confusion.draw, partial(pictures.draw, kind="hardest", rows=1)])
def test_long_class_names_do_not_overlap(tmp_path, draw):
    names = ["airplane", "automobile", "bird", "automobile", "different things"]
    with matplotlib.rc_context(drawing.STYLE):  # type: ignore[arg-type]
        figure = draw([read_run(write_run(tmp_path / "a", data={"class_names": names}), "a")])
        boxes = [text.get_window_extent() for text in texts(figure) if text.get_text()]
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("epochs", "drawn"), [([0, 1, 2], True), ([1, 2], False), ([], False)])
def test_depth_is_drawn_for_runs_that_hold_epoch_0(tmp_path, epochs, drawn):
    folder = write_study(tmp_path / "s", {"plain": {}, "bn": {}})
    add_layers(folder / "plain", epochs)
    assert ("depth" in [path.stem for path in build([folder], folder).figures]) == drawn


def test_reliability_shows_accuracy_against_confidence_and_the_share_of_images():
    curve = {"images": [0, 4, 16], "confidence": [0, 2, 15], "correct": [0, 1, 12]}
    top, bottom = reliability.draw({"test": curve, "mc": curve}).axes
    _, line, other = top.get_lines()
    assert list(line.get_xdata()) == pytest.approx([0.5, 15 / 16])  # type: ignore[arg-type]
    assert list(line.get_ydata()) == pytest.approx([0.25, 0.75])  # type: ignore[arg-type]
    assert [line.get_label(), other.get_label()] == ["deterministic", "MC dropout"]
    assert list(bottom.patches[0].get_data().values) == pytest.approx([0, 0.2, 0.8])  # type: ignore[attr-defined]


def test_a_searched_learning_rate_is_a_figure_with_a_panel_for_each_arm_and_stage(tmp_path):
    chosen = {"config": {"optimizer": {"lr": 0.01}}}
    folder = write_study(tmp_path / "s", {"plain": chosen, "bn": {"noise": 1, **chosen}, "typed": {"noise": 2}})
    stages = [f"range,{10**-k},{seed},{2 - k / 4}" for k in (4, 3, 2, 1) for seed in range(5)]
    stages += [f"grid,{rate},{seed},{loss}" for rate, loss in ((0.01, 0.1), (0.1, "inf")) for seed in range(5)]
    for arm in ("plain", "bn"):
        (folder / arm / "lr_search.csv").write_text("\n".join(["stage,lr,seed,loss", *stages]))
    assert "lr_search" in [path.stem for path in build([folder], folder).figures]
    runs = [run for run in read_study([folder]).runs if run.lr_search is not None]
    panels = lr_search.draw(runs).axes
    assert [axes.get_title() for axes in panels] == [
        f"{arm}: {what}" for arm in ("plain", "bn") for what in ("training loss, range test", "validation loss")
    ]
    seeds, mean, choice = panels[1].lines[:5], panels[1].lines[5], panels[1].lines[6]
    assert len(seeds) == 5
    assert np.asarray(mean.get_ydata())[0] == pytest.approx(0.1)
    assert np.isnan(np.asarray(mean.get_ydata())[1]), "a rate at which seeds diverged has no mean"
    assert np.asarray(choice.get_xdata())[0] == 0.01

    for arm in ("plain", "bn"):
        (folder / arm / "lr_search.csv").write_text("\n".join(["stage,lr,seed,loss", *stages[20:]]))
    (drawing,) = lr_search.plan(read_study([folder]))
    assert "the rate grew" not in drawing.caption
    places = [axes.get_subplotspec() for axes in drawing.draw().axes]
    assert [(place.rowspan[0], place.colspan[0]) for place in places if place] == [(0, 0), (0, 1)], "no empty column"

    (folder / "bn" / "lr_search.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"bn: lr_search.csv cannot be read: its columns are a, b"):
        build([folder], folder)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("input_dropout, p < 0.001, a > b", "input_dropout, p < 0.001, a > b"),
        ("_soft_ <b> [x](y) *z* `c`", r"\_soft\_ \<b> \[x\](y) \*z\* \`c\`"),
        ("> quoted", r"\> quoted"),
    ],
)
def test_markdown_escapes_marks_alone(text: str, written: str) -> None:
    assert page.markdown("t", [page.Text(text)]) == f"# t\n\n{written}\n"
