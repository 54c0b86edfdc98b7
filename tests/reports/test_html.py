"""A page shows the answer and its figure first, folds where the numbers come from, and fits a phone."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from made_up_runs import write_study

from dnnx.reports.html import WIDE, html
from dnnx.reports.page import Facts, Heading, Text
from dnnx.reports.report import build


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_study(tmp_path_factory.mktemp("page") / "s", {"plain": {}, "bn": {"noise": 1, "speed": 0.6}})
    return build([folder], folder).html.read_text()


def test_the_answer_stands_above_contents_tables_and_learning_curves(page: str) -> None:
    body = page[page.index("<body>") :]
    places = [body.index(mark) for mark in ("<header>", 'class="answer', "<figure", "<nav", "<table")]
    assert places == sorted(places)


def test_the_origin_of_the_numbers_is_one_line_that_opens() -> None:
    told = html("t", [Text("Why?"), Facts([("commit", "abc")], "today; 2 arms"), Heading("Answer"), Text("Yes.")])
    (details,) = re.findall(r"<details.*?</details>", told)
    assert details.startswith('<details class="facts"><summary>today; 2 arms</summary>')
    assert "<dd>abc</dd>" in details


def test_a_command_among_the_facts_is_in_code_font() -> None:
    assert "<dd><code>dnnx &lt;a&gt;</code></dd>" in html("t", [Facts([("command", "dnnx <a>")], "", ("command",))])


def test_no_figure_is_wider_than_a_phone_can_show(page: str) -> None:
    widths = [float(width) for width in re.findall(r'<svg[^>]* width="([\d.]+)pt"', page)]
    assert len(widths) > 5
    assert max(widths) <= WIDE, "its text would be smaller than 9 pixels on a phone"


def test_every_table_has_its_numbers_as_csv_and_latex_and_every_figure_as_svg(page: str) -> None:
    root = ET.fromstring(page)
    figures = list(root.iter("figure"))
    for figure in figures:
        kinds = [link.text for link in figure.iter("a") if link.get("download")]
        assert kinds == (["CSV", "LaTeX"] if figure.find(".//table") is not None else ["SVG"])
    assert len(figures) > 10


def test_a_phone_scrolls_nothing_sideways_but_boxes(page: str) -> None:
    style = page[page.index("<style>") : page.index("</style>")]
    phone = style[style.index("@media (max-width: 40rem)") :]
    assert "thead { display: none; }" in phone, "each cell of a table stands below its own head"
    assert ".wide > div { overflow-x: auto; }" in phone


def test_a_page_without_sections_is_a_page(tmp_path: Path) -> None:
    assert "<h1>t</h1>" in html("t", [Text("a")])


def test_seeds_and_arms_are_named_under_the_pointer(page: str) -> None:
    titles = re.findall(r"<g><title>(.*?)</title>", page)
    assert "bn, seed 3" in titles
    assert "plain, mean" in titles
    assert any(re.fullmatch(r"bn, seed 0: \d\d\.\d\d %", title) for title in titles)
    assert not re.search(r'id="[^"]*tip: ', page)
