"""A warning that must not wait reaches the terminal from a worker too, whose output is shown when it has ended."""

import pytest

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
