"""YAML of a user's own folder may have aliases, but none that fills the memory."""

import pytest

from dnnx.runs.schema import require_small

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{above}'] * 9)}]\n" for above, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_aliases_are_allowed() -> None:
    require_small("net: &net {hidden: [3, 3]}\nother: *net\nlist: [&x 3, *x, *x]\n")
    require_small("")
    require_small("- a\n---\n- b\n")


@pytest.mark.parametrize("text", [BOMB, "x: " + "[" * 60 + "]" * 60, "x: " + "{a: " * 5000 + "1" + "}" * 5000])
def test_a_file_that_expands_or_nests_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it has more than|levels deep"):
        require_small(text)
