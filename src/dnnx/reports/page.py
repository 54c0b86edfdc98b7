"""The blocks of a report, and the report as Markdown; html.py makes one self-contained HTML page of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Heading:
    """Begins a section, which a page shows closed where it is `folded`: details that few readers need."""

    text: str
    folded: bool = False


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Facts:
    """Pairs of a short name and a text: where the numbers come from. A page folds them below their `summary`.

    The texts of the names in `code` are shown as they were typed.
    """

    pairs: Sequence[tuple[str, str]]
    summary: str
    code: Sequence[str] = ()


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """One verdict: `answer` is yes, no, same, undecided, not tested or not measured; `words` say it with its margin.

    `says` is the answer as a person would say it; then `ask` and `evidence` are details.
    """

    ask: str
    answer: str
    words: str
    evidence: str
    says: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text with a caption; the head of the page names the data."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Image:
    """`svg` is a path below the report's folder, with a PNG of the same name beside it.

    `section` is the heading below which it stands, such as "Answer"; figures without one of their own stand in
    "Figures".
    """

    svg: Path
    caption: str
    section: str = "Figures"


@dataclass(frozen=True)
class Code:
    lines: Sequence[str]


Block = Heading | Text | Facts | Bullets | Answer | Table | Image | Code


def markdown(title: str, blocks: Sequence[Block]) -> str:
    return "\n\n".join([f"# {_plain(title)}", *(_markdown(block) for block in blocks)]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, _):
            return f"## {_plain(text)}"
        case Text(text):
            return _plain(text)
        case Bullets(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Facts(pairs, _, code):
            texts = [_code(text) if name in code else _plain(text) for name, text in pairs]
            return "\n".join(f"- {_plain(name)}: {text}" for (name, _), text in zip(pairs, texts, strict=True))
        case Answer(ask, _, words, evidence, says):
            told = f"**{_plain(words.capitalize())}**: {_plain(evidence)}"
            return f"{_plain(says)}\n\n- {_plain(ask)} {told}" if says else f"{_plain(ask)} {told}"
        case Table(caption, head, rows):
            lines = [[_plain(cell).replace("|", "&#124;") for cell in line] for line in (head, *rows)]
            lines.insert(1, ["---"] * len(head))
            table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            return f"{table}\n\n*{_plain(caption)}*"
        case Image(svg, caption, _):
            return f"![{_plain(caption)}]({svg.parent.name}/{svg.stem}.png)\n\n*{_plain(caption)}*"
        case Code(lines):
            fence = _fence("\n".join(lines), 3)
            return "\n".join([fence, *lines, fence])


def _code(text: str) -> str:
    """Return text in code font, in which Markdown reads no marks."""
    fence, space = _fence(text, 1), " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{space}{' '.join(text.split())}{space}{fence}"


def _fence(text: str, least: int) -> str:
    """Return backticks, more than any that follow each other in the text."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


def _plain(text: str) -> str:
    """Return text in which Markdown finds no marks. Underscores within a word and `<` before a space are none."""
    return re.sub(r"([\\`*\[\]]|(?<!\w)_|_(?!\w)|<(?! )|^>)", r"\\\1", " ".join(text.split()))
