"""Text of others stays text in Markdown."""

from dnnx.reports.page import Code, markdown


def test_backticks_in_code_do_not_end_it() -> None:
    text = markdown("t", [Code(["dnnx", "```", "# no heading", "a ````` b"])])
    assert text.splitlines()[2:] == ["``````", "dnnx", "```", "# no heading", "a ````` b", "``````"]
    assert markdown("t", [Code(["plain"])]).endswith("```\nplain\n```\n")
