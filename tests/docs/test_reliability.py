"""The numbers of docs/reliability.md that a program counts are those that it wrote, and survivors are judged."""

import json

from counted import COUNTS, PAGE, rendered


def test_the_page_shows_the_counts_of_the_programs() -> None:
    page = PAGE.read_text()
    assert "<!-- count: mutants all killed -->" in page
    assert rendered(page) == page
    old = page.replace("<!-- count: mutants all killed -->", "<!-- count: mutants all killed -->9")
    assert rendered(old) == page


def test_enough_mutants_were_tested_and_killed() -> None:
    found = json.loads((COUNTS / "mutants.json").read_text())
    assert found["all"]["mutants"] >= 200
    assert found["all"]["killed"] >= 0.9 * found["all"]["mutants"]
    assert len(found["survivors"]) == found["all"]["mutants"] - found["all"]["killed"]


def test_enough_files_of_strangers_were_tried_and_none_was_handled_worse() -> None:
    found = json.loads((COUNTS / "files.json").read_text())
    assert found["tries"] >= 100_000
    assert found["failures"] == 0


def test_enough_commands_were_disturbed_and_their_kinds_add_up() -> None:
    found = json.loads((COUNTS / "processes.json").read_text())
    kinds = [kind for name, kind in found.items() if name not in ("seed", "all", "failed")]
    assert found["all"]["tries"] >= 1000
    assert all(sum(kind[count] for kind in kinds) == found["all"][count] for count in ("tries", "failures", "left"))
    assert len(found["failed"]) == found["all"]["left"]
