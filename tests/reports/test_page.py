"""Text of others stays text in Markdown."""

from dnnx.reports.page import Code, Facts, markdown


def test_backticks_in_code_do_not_end_it() -> None:
    text = markdown("t", [Code(["dnnx", "```", "# no heading", "a ````` b"])])
    assert text.splitlines()[2:] == ["``````", "dnnx", "```", "# no heading", "a ````` b", "``````"]
    assert markdown("t", [Code(["plain"])]).endswith("```\nplain\n```\n")


def test_a_command_is_shown_as_it_was_typed() -> None:
    pairs = [("command", "dnnx train 'packages=[own]' *"), ("data", "[a]"), ("other", "`x`")]
    lines = markdown("t", [Facts(pairs, "", code=("command", "other"))]).splitlines()[2:]
    assert lines == ["- command: `dnnx train 'packages=[own]' *`", "- data: \\[a\\]", "- other: `` `x` ``"]
