"""A warning that must not wait reaches the terminal from a worker too, whose output is shown when it has ended."""

import pytest
from rich.table import Table

from dnnx.basics import console


def test_a_warning_at_once_is_printed_here_and_sent_from_a_worker(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console.warn_at_once("")
    assert capsys.readouterr().out == ""
    console.warn_at_once("two softmaxes")
    assert capsys.readouterr().out == "WARNING: two softmaxes\n"
    sent: list[str] = []
    monkeypatch.setattr(console, "TELLERS", [sent.append])
    console.warn_at_once("two softmaxes")
    console.warn_at_once("")
    assert (sent, capsys.readouterr().out) == (["WARNING: two softmaxes"], "")


@pytest.mark.parametrize("name", ["rate [/h]", "[odd] name", "[bold]a", ":dog:"])
def test_a_name_is_shown_as_it_is_in_every_place(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=f"title {name}", caption=f"caption {name}")
    table.add_column(f"head {name}")
    table.add_row(f"cell {name}")
    console.console.print(f"line {name}", table)
    console.console.rule(f"rule {name}", align="left")
    console.warn(f"warning {name}")
    shown = capsys.readouterr().out
    for place in ("line", "title", "caption", "head", "cell", "rule", "warning"):
        assert f"{place} {name}" in shown
