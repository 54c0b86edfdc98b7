"""Markers of pages: `<!-- KIND: words -->` and `<!-- /KIND -->` stand around a text that a program writes."""

import re
from collections.abc import Callable


def fill(page: str, kind: str, text_of: Callable[[str], str]) -> str:
    """Return a page with `text_of(words)` in each marker of a kind.

    >>> fill("<!-- count: files -->2<!-- /count --> files", "count", lambda words: "3")
    '<!-- count: files -->3<!-- /count --> files'
    """
    marker = re.compile(rf"(<!-- {kind}: ([^>]*?) -->)(.*?)(<!-- /{kind} -->)", re.S)
    return marker.sub(lambda found: f"{found[1]}{text_of(found[2])}{found[4]}", page)
