"""`dnnx <command>`: list the commands and start one of them. Each is also a module, `python -m dnnx.<command>`."""

import importlib
import sys
from collections.abc import Sequence

from dnnx.basics.errors import near_misses
from dnnx.basics.pipes import leave_pipe, open_closed
from dnnx.commands import COMMANDS, completion

USAGE = """dnnx: questions about training deep networks, answered with seeds and a confidence interval.

  dnnx train +exp=regularizers                           run a study: eight arms, their answers and a report
  dnnx train data=mnist net=lenet seeds=5                train five networks at once and test them
  dnnx predict run=outputs/train/latest digit.png        use them

Commands:
{commands}

dnnx <command> --help lists the keys of a command; dnnx completion says how your shell completes them."""


def main() -> None:
    """Start the command that was typed; one that nobody reads ends quietly."""
    open_closed()
    try:
        choose(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # as after `| head`
        sys.exit(leave_pipe())


def choose(words: Sequence[str]) -> None:
    """Print what was asked about the commands, or start one of them."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
    elif words[0] == "--version":
        print(importlib.import_module("importlib.metadata").version("dnnx"))
    elif words[0] == "completion":
        completion.main(words[1:])
    elif words[0] not in COMMANDS:
        told = near_misses(words[0], COMMANDS) or f"; choose one of {', '.join(COMMANDS)}"
        print(f"error: {words[0]}: there is no such command{told}", file=sys.stderr)
        sys.exit(2)
    else:
        start(words[0], words[1:])


def start(name: str, words: Sequence[str]) -> None:
    """Run a command with these words; it ends the process with its exit code."""
    sys.argv[:] = [f"dnnx.{name}", *words]
    sys.exit(importlib.import_module(COMMANDS[name].module).main())


def usage() -> str:
    """Return the commands with a line each."""
    width = max(map(len, COMMANDS))
    return USAGE.format(commands="\n".join(f"  {name:{width}}  {one.told}" for name, one in COMMANDS.items()))


if __name__ == "__main__":
    main()
