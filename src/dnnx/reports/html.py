"""A report as one HTML page with everything inside: no file and no address outside of it is needed."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from dnnx.reports.downloads import as_csv, as_latex
from dnnx.reports.page import Answer, Block, Bullets, Code, Facts, Heading, Image, Table, Text
from dnnx.reports.style import PAGE

CLASSES = {"yes": "yes", "no": "no", "same": "same"}  # of answers that a page shows in colour
WIDE = 450  # points: a wider figure takes a row of its own


def html(title: str, blocks: Sequence[Block]) -> str:
    """Return the page. Blocks between two headings are a section; the table of contents links to each.

    >>> "<h2>" in html("a report", [Heading("Answer"), Text("Yes.")])
    True
    """
    top, *sections = _sections(blocks)
    parts = [f"<header><h1>{escape(title)}</h1>{''.join(_all(top, title))}</header>"]
    for place, section in enumerate(sections):
        parts += [_contents(sections)] if place == 1 else []  # a phone shows the answer first; style.py moves it up
        heading, *rest = section
        assert isinstance(heading, Heading)
        inner = "\n".join(_all(rest, f"{title} {heading.text}"))
        name, text = _id(heading.text), escape(heading.text)
        if heading.folded:  # a link to what is inside of closed details opens them
            parts.append(f'<details><summary><h2>{text}</h2></summary><div id="{name}">{inner}</div></details>')
        else:
            parts.append(f'<section id="{name}"><h2>{text}</h2>{inner}</section>')
    return PAGE.substitute(title=escape(title), body="\n".join(parts))


def _sections(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return the blocks before the first heading, then those of each heading with it."""
    found: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading):
            found.append([])
        found[-1].append(block)
    return found


def _contents(sections: Sequence[Sequence[Block]]) -> str:
    names = [section[0].text for section in sections if isinstance(section[0], Heading)]
    links = "".join(f'<a href="#{_id(name)}">{escape(name)}</a>' for name in names)
    return f'<nav aria-label="contents">{links}</nav>' if len(names) > 2 else ""


def _id(text: str) -> str:
    return "-".join(re.findall(r"\w+", text.lower())) or "section"


def _all(blocks: Sequence[Block], name: str) -> Iterator[str]:
    """Yield the blocks as HTML; figures that follow each other stand side by side where there is room."""
    for is_image, group in groupby(blocks, lambda block: isinstance(block, Image)):
        told = "".join(_html(block, name) for block in group)
        yield f'<div class="figures">{told}</div>' if is_image else told


def _html(block: Block, name: str) -> str:
    match block:
        case Text(text):
            return f"<p>{escape(text)}</p>"
        case Facts(pairs, summary, code):
            texts = [f"<code>{escape(text)}</code>" if key in code else escape(text) for key, text in pairs]
            told = "".join(
                f"<dt>{escape(key)}</dt><dd>{text}</dd>" for (key, _), text in zip(pairs, texts, strict=True)
            )
            return f'<details class="facts"><summary>{escape(summary)}</summary><dl>{told}</dl></details>'
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Answer():
            return _answer(block)
        case Table():
            return _table(block, name)
        case Image(svg, caption, _):
            width = re.search(r'<svg[^>]* width="([\d.]+)pt"', svg.read_text())
            size = float(width[1]) if width else WIDE
            wide = ' class="wide"' if size > WIDE else ""
            told = f"{escape(caption)} {_link(f'{svg.stem}.svg', 'image/svg+xml', svg.read_bytes(), 'SVG')}"
            drawn = f'<div style="max-width: {1.35 * size:.0f}px">{_inline(svg)}</div>'
            return f"<figure{wide}>{drawn}<figcaption>{told}</figcaption></figure>"
        case Code(lines):
            return f"<pre><code>{escape(chr(10).join(lines))}</code></pre>"
    return ""


def _answer(block: Answer) -> str:
    kind, words = CLASSES.get(block.answer, "open"), f"<strong>{escape(block.words.capitalize())}</strong>"
    evidence = f"<span>{escape(block.evidence)}</span>"
    if not block.says:
        return f'<div class="answer {kind}">{escape(block.ask)} {words} {evidence}</div>'
    details = f"<details><summary>{escape(block.ask)} {words}</summary>{evidence}</details>"
    return f'<div class="answer {kind}"><p>{escape(block.says)}</p>{details}</div>'


def _table(block: Table, name: str) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in block.head)
    body = "".join(f"<tr>{_row(row, block.head)}</tr>" for row in block.rows)
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    links = [
        _link(f"{_id(name)}.csv", "text/csv", as_csv(block).encode(), "CSV"),
        _link(f"{_id(name)}.tex", "application/x-tex", as_latex(block).encode(), "LaTeX"),
    ]
    caption = f"<figcaption>{escape(block.caption)} {' '.join(links)}</figcaption>"
    return f'<figure><div class="table">{table}</div>{caption}</figure>'


def _row(row: Sequence[str], head: Sequence[str]) -> str:
    cells = zip(row[1:], head[1:], strict=False)  # on a narrow page each cell stands below its own head
    told = "".join(f'<td data-head="{escape(name)}">{escape(cell)}</td>' for cell, name in cells)
    return f'<th scope="row">{escape(row[0])}</th>{told}'


def _link(file: str, kind: str, content: bytes, text: str) -> str:
    """Return a link that saves the content as a file: it is inside the page."""
    encoded = f"base64,{b64encode(content).decode()}" if kind.startswith("image") else quote(content, safe="")
    start = f"data:{kind};" if kind.startswith("image") else f"data:{kind};charset=utf-8,"
    return f'<a download="{escape(file)}" href="{start}{encoded}">{text}</a>'


def _inline(svg: Path) -> str:
    """Return the SVG for use inside a page: it takes the page's colours and needs no namespaces."""
    text = re.sub(r'<style>.*?</style>| xmlns(:\w+)?="[^"]*"', "", svg.read_text())
    return text.replace("xlink:href", "href")
