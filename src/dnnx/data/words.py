"""Words: the rule by which a text is divided into words, for training and for predictions."""

import re

TAGS = re.compile(r"</?[a-z][^<>]*>")  # such as <br /> in the reviews of IMDB; <IBM> is a name
WORD = r"\w+(?:'\w+)?"


def clean(text: str) -> str:
    """Return a text without tags."""
    return TAGS.sub(" ", text)
