"""`python -m dnnx.compare FOLDER...`: a report on finished runs. It only reads files, so it is no Hydra job."""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from dnnx.basics.errors import UserError
from dnnx.basics.pipes import leave_pipe, open_closed
from dnnx.basics.signals import Stopped, listen


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the answer and the path of the report; return the exit code."""
    open_closed()
    try:
        with listen():
            options = _parser().parse_args(arguments)
            unmeasured = compare(options.folders, options.out, options.reference, options.force)
            sys.stdout.flush()
    except BrokenPipeError:  # as after `| head`
        return leave_pipe()
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return 128 + stopped.number
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in unmeasured:
        print(f"error: {line}", file=sys.stderr)
    return 2 if unmeasured else 0


def compare(folders: Sequence[Path], out: Path | None, reference: str | None, force: bool) -> list[str]:
    """Write the report and print its answers; return a line for each metric of a claim that no run has."""
    from dnnx.reports.report import build  # imported here, so that --help answers at once

    out = out or Path("outputs/compare") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    if (out / "report.html").exists() or (out / "report.md").exists():
        raise UserError(f"--out {out} already holds a report; give another folder or remove that report")
    report = build(folders, out, reference=reference, force=force)
    for sentence in report.sentences:
        print(sentence)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"report: {report.html}")
    return report.unmeasured


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


def _parser() -> Parser:
    parser = Parser(prog="python -m dnnx.compare", description="Compare runs and studies already made.")
    parser.add_argument(
        "folders", nargs="+", type=Path, help="run or study folders, such as outputs/bn_vs_plain/latest"
    )
    parser.add_argument("--out", type=Path, help="where the report goes (default: outputs/compare/<time>)")
    parser.add_argument(
        "--reference", help="the arm that others are compared with (default: the study's own, or the first)"
    )
    parser.add_argument(
        "--force", action="store_true", help="report in spite of other data or unreadable files, with a note"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
