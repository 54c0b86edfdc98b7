"""Sphinx builds the pages of docs/ into a site that needs no network: `make docs`."""

import importlib.metadata
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from keys import keys_page  # noqa: E402

project = "dnnx"
release = importlib.metadata.version("dnnx")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
highlight_language = "text"
default_role = "code"  # single backticks in docstrings
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
html_theme = "furo"
html_title = "dnnx"
html_show_sourcelink = False
html_copy_source = False


def read_page(app: Any, page: str, source: list[str]) -> None:
    """Add the keys of conf/ to their page. Show a link to a file outside docs/ as the name of that file."""
    text = source[0] + (keys_page(DOCS.parent / "conf") if page == "reference/keys" else "")
    folder = PurePosixPath(page).parent

    def shown(link: re.Match[str]) -> str:
        depth = len(folder.parts) if str(folder) != "." else 0
        is_inside = link[2].count("../") <= depth
        return link[0] if is_inside else link[1] if "`" in link[1] else f"`{link[2].lstrip('./')}`"

    source[0] = re.sub(r"\[([^\]]+)\]\(((?:\.\./)+[^)]*)\)", shown, text)


def read_docstring(app: Any, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make an indented example a block of code, and keep signs that reStructuredText would read as markup."""
    shown: list[str] = []
    in_example = False
    for line in lines:
        in_example = in_example and (not line or line.startswith(" "))
        if line.rstrip() == "Example:":
            shown += ["Example::", ""]
            in_example = True
        else:
            parts = [line] if in_example else line.split("`")
            outside = [
                part if i % 2 or in_example else re.sub(r"([*|])", r"\\\1", part) for i, part in enumerate(parts)
            ]
            shown.append("`".join(outside))
    lines[:] = shown


def setup(app: Any) -> None:
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_docstring, priority=100)  # before napoleon
