"""The commands that README and the pages of docs/ show, and the files that they tell a reader to save."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"^(\$ )?(\.venv/bin/)?(python -m (dnnx|benchmarks)\.|python benchmarks/|dnnx |make [a-z])")
AROUND = re.compile(r"^\$ |^(\$ )?\.venv/bin/|\s+#.*$| [|>] .*$", re.M)  # a prompt, a comment, and where output goes
CONTINUED = re.compile(r"\\\n\s*")
SAVED_AS = re.compile(r"`(mine/[\w/]+\.yaml)`[^\n]*\n+```yaml\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Shown:
    """A command as a page shows it: the program, such as `train` or `make`, and its words."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """Return the words without the program: `dnnx train seeds=2` -> [seeds=2]."""
        words = shlex.split(self.text)
        return words[3:] if words[0] == "python" and words[1] == "-m" else words[2:]

    @property
    def program(self) -> str:
        """Return `dnnx.train`, `benchmarks.bench` or `make tensorboard`: the module or the target."""
        words = shlex.split(self.text)
        if words[0] == "make":
            return f"make {words[1]}"
        if words[0] == "dnnx":
            return f"dnnx.{words[1]}"
        return words[2] if words[1] == "-m" else words[1].removesuffix(".py").replace("/", ".")


def commands() -> list[Shown]:
    """Return every command of every page once, in the order of the pages."""
    found = [Shown(str(page.relative_to(ROOT)), text) for page in PAGES for text in commands_of(page.read_text())]
    return list({shown.text: shown for shown in reversed(found)}.values())[::-1]


def commands_of(page: str) -> Iterator[str]:
    """Yield the commands in the code blocks and code spans of a page, without prompts and comments."""
    lines = [line for _, block in BLOCK.findall(page) for line in CONTINUED.sub("", block).splitlines()]
    for text in [*lines, *SPAN.findall(BLOCK.sub("", page))]:
        if COMMAND.match(text) and "..." not in text and "<" not in text:  # these stand for words of the reader
            yield AROUND.sub("", text).strip()


def save_files(folder: Path) -> None:
    """Write to `folder` the files that the pages tell a reader to save: configs, and Python files named on line 1."""
    for page in PAGES:
        text = page.read_text()
        named = [(name.group(1), body) for kind, body in BLOCK.findall(text) if kind == "python"
                 for name in [re.match(r"# (\w+\.py)\n", body)] if name]  # fmt: skip
        for name, body in [*named, *SAVED_AS.findall(text)]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(body)
