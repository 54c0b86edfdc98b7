"""make results: write the result file of a study from its folder, and render all pages from the result files.

python -m benchmarks.results                              # render the pages
python -m benchmarks.results outputs/bn_place/latest      # write docs/results/bn_place.json first

A study of other seeds than those of its result file repeats it: its answers are written beside the first ones, and stay
there when the first one gets more seeds.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from benchmarks.repeats import put_together
from benchmarks.result_pages import head_of_experiment, rendered
from benchmarks.stale import declared, reasons, settings
from dnnx.basics.errors import UserError, require
from dnnx.config.compose import compose
from dnnx.config.paths import CONF, experiment
from dnnx.reports.record import record
from dnnx.reports.verdicts import decide
from dnnx.runs.files import write_json
from dnnx.runs.read import read_study
from dnnx.runs.run import Study

ROOT = CONF.parent
RESULTS = ROOT / "docs" / "results"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main(folders: Sequence[str]) -> int:
    """Write the result files of these study folders, then render every page; return the exit code."""
    try:
        for folder in folders:
            print(f"wrote {write(Path(folder)).relative_to(ROOT)}")
        for path in render():
            print(f"rendered {path.relative_to(ROOT)}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def write(folder: Path) -> Path:
    """Write the result file of a study folder. Raise UserError if it was not run as its experiment declares it."""
    study = read_study([folder])
    require(experiment(study.name) is not None, "folder", folder, f"{study.name} is no experiment of conf/exp")
    require(not study.missing, "folder", folder, "; ".join(study.missing))
    now = declared(study.name)
    require_as_declared(study, now)
    verdicts, lost = decide(study)
    require(not lost, "folder", folder, "; ".join(lost))
    path = RESULTS / f"{study.name}.json"
    measured = record(study, verdicts) | {"declared": now}
    known = json.loads(path.read_text()) if path.exists() else None
    write_json(path, put_together(measured, known, changed=known is not None and bool(reasons(known, now))))
    return path


def render() -> list[Path]:
    """Render all pages and heads of experiments; return those that change."""
    known = records()
    stale = {name: reasons(known[name], declared(name)) for name in known}
    changed = []
    for path, new in pages(known, stale).items():
        if path.read_text() != new:
            path.write_text(new)
            changed.append(path)
    return changed


def pages(known: dict[str, dict[str, Any]], stale: dict[str, list[str]]) -> dict[Path, str]:
    """Return the text of every page and experiment as the result files say it."""
    found = {path: rendered(path.read_text(), known, stale) for path in PAGES}
    for name, entry in known.items():
        if (path := experiment(name)) is not None:
            found[path] = head_of_experiment(path.read_text(), entry)
    return found


def records() -> dict[str, dict[str, Any]]:
    """Return all result files by the name of their study."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def require_as_declared(study: Study, now: dict[str, Any]) -> None:
    """Raise UserError if an arm was trained with other settings than conf/ declares."""
    for arm, overrides in now["arms"].items():
        run = study.run(arm)
        require(run is not None or bool(now["axes"]), "arm", arm, "the study has no such arm")
        if run is None:
            continue
        plain: Any = OmegaConf.to_container(compose("train", [f"+exp={study.name}", *overrides], []), resolve=True)
        own, expected = settings(run.config), settings(plain)
        given = {key for key, value in expected.items() if value in (None, [])} if plain["study"]["needs"] else set()
        for key in own.keys() & expected.keys() - SEARCHED - given:  # a backbone gives its net's settings
            told = f"{arm} was trained with {own[key]}; a result file is of the study as conf/ declares it"
            require(own[key] == expected[key] or is_newest(own[key], expected[key]), key, expected[key], told)


def is_newest(own: Any, expected: Any) -> bool:
    """Return whether an arm's folder is declared as that of the newest study, or as an arm of this one."""
    at = Path(str(own)).parts[-3:]
    return len(at) == 3 and str(expected).endswith((f"{at[0]}/latest/{at[2]}", f"arm:{at[2]}"))


SEARCHED = {"optimizer.lr", "scheduler.max_lr"}  # a search may have chosen them


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
