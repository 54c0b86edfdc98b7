"""A document in two forms: the blocks of a report as Markdown and as one self-contained HTML page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """One verdict: `answer` is yes, no, same, undecided or not tested; `words` say it with its margin."""

    ask: str
    answer: str
    words: str
    evidence: str


@dataclass(frozen=True)
class Table:
    """Rows of text with a caption that names the data."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Image:
    """`svg` is a path below the report's folder, with a PNG of the same name beside it."""

    svg: Path
    caption: str


@dataclass(frozen=True)
class Code:
    lines: Sequence[str]


CLASSES = {"yes": "yes", "no": "no", "same": "same"}  # of answers that a page shows in colour
Block = Heading | Text | Bullets | Answer | Table | Image | Code


def markdown(title: str, blocks: Sequence[Block]) -> str:
    return "\n\n".join([f"# {_plain(title)}", *(_markdown(block) for block in blocks)]) + "\n"


def html(title: str, blocks: Sequence[Block]) -> str:
    body = "\n".join([f"<h1>{escape(title)}</h1>", *(_html(block) for block in blocks)])
    return PAGE.substitute(title=escape(title), body=body)


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_plain(text)}"
        case Text(text):
            return _plain(text)
        case Bullets(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Answer(ask, _, words, evidence):
            return f"{_plain(ask)} **{_plain(words.capitalize())}**: {_plain(evidence)}"
        case Table(caption, head, rows):
            lines = [[_plain(cell).replace("|", "&#124;") for cell in line] for line in (head, *rows)]
            lines.insert(1, ["---"] * len(head))
            table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            return f"{table}\n\n*{_plain(caption)}*"
        case Image(svg, caption):
            return f"![{_plain(caption)}]({svg.parent.name}/{svg.stem}.png)\n\n*{_plain(caption)}*"
        case Code(lines):
            return "\n".join(["```", *lines, "```"])


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Text(text):
            return f"<p>{escape(text)}</p>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Answer(ask, answer, words, evidence):
            said = f"{escape(ask)} <strong>{escape(words.capitalize())}</strong> <span>{escape(evidence)}</span>"
            return f'<p class="answer {CLASSES.get(answer, "open")}">{said}</p>'
        case Table(caption, head, rows):
            top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
            body = "".join(f"<tr>{_row(row)}</tr>" for row in rows)
            table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
            return f'<figure><div class="wide">{table}</div><figcaption>{escape(caption)}</figcaption></figure>'
        case Image(svg, caption):
            return f'<figure><div class="wide">{_inline(svg)}</div><figcaption>{escape(caption)}</figcaption></figure>'
        case Code(lines):
            return f"<pre><code>{escape(chr(10).join(lines))}</code></pre>"


def _row(row: Sequence[str]) -> str:
    return f'<th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])


def _inline(svg: Path) -> str:
    """Return the SVG for use inside a page: it takes the page's colours and needs no namespaces."""
    text = re.sub(r'<style>.*?</style>| xmlns(:\w+)?="[^"]*"', "", svg.read_text())
    return text.replace("xlink:href", "href")


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_<>\[\]])", r"\\\1", " ".join(text.split()))


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<link rel="icon" href="data:,"/>
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1a1a1a; --page: #fff; --soft: #595959; --line: #d0d0d0; --shade: #f4f4f4;
  --yes: #00694d; --no: #a34700; --same: #1f5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --page: #16181c; --soft: #a8a8a8; --line: #3d4046; --shade: #212429;
    --yes: #4cc9a4; --no: #ff9a4d; --same: #7db8f0; }
}
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.answer { border-left: .3rem solid var(--soft); padding: .4rem .9rem; background: var(--shade); }
.answer strong { font-size: 1.1rem; } .answer span { display: block; color: var(--soft); font-size: .9rem; }
.yes { border-color: var(--yes); } .yes strong { color: var(--yes); }
.no { border-color: var(--no); } .no strong { color: var(--no); }
.same { border-color: var(--same); } .same strong { color: var(--same); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
figcaption { color: var(--soft); font-size: .85rem; padding-top: .4rem; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; } tbody th { font-weight: 600; }
figure { margin: 1rem 0 1.5rem; }
svg { width: 100%; min-width: 36rem; height: auto; font-family: system-ui, sans-serif; }
pre { background: var(--shade); padding: .8rem; white-space: pre-wrap; font-size: .85rem; }
@media print {
  :root { --ink: #000; --page: #fff; --soft: #444; --line: #999; --shade: #fff; --yes: #00694d; --no: #a34700;
    --same: #1f5fa8; color-scheme: light; }
  body { max-width: none; padding: 0; } .wide { overflow: visible; } table { font-size: .68rem; } svg { min-width: 0; }
  h2 { break-after: avoid; } figure, tr, .answer { break-inside: avoid; }
}
</style>
</head>
<body>
$body
</body>
</html>
""")
