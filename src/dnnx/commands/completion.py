"""`dnnx completion`: how a shell completes commands, groups, options and keys. Hydra knows all but the commands."""

import glob
import importlib
import os
import sys
from collections.abc import Sequence

from dnnx.basics.errors import near_misses
from dnnx.commands import COMMANDS

BASH = """_dnnx() {
    local word="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=($(compgen -W "$(COMP_LINE="${COMP_LINE:0:$COMP_POINT}" dnnx completion query)" -- "$word"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _dnnx dnnx"""
SCRIPTS = {
    "bash": BASH,
    "zsh": f"autoload -U +X bashcompinit && bashcompinit\n{BASH}",
    "fish": "complete -c dnnx -x -a '(COMP_LINE=(commandline -cp) dnnx completion query)'",
}
HELP = """Completion of commands, groups (net=), experiments (+exp=) and keys, for this shell:

  bash: eval "$(dnnx completion bash)"
  zsh:  eval "$(dnnx completion zsh)"
  fish: dnnx completion fish | source

Put the line into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish to keep it."""
OF_FILES = ("run", "resume", "backbone", "params", "weights", "inputs", "out", "data.file", "data.root")  # keys


def main(words: Sequence[str]) -> None:
    """Print the script of a shell, or with `query` the words that may end the line in COMP_LINE."""
    if not words:
        print(HELP)
    elif words[0] == "query":
        query(os.environ.get("COMP_LINE", "dnnx "))
    elif words[0] in SCRIPTS:
        print(SCRIPTS[words[0]])
    else:
        told = near_misses(words[0], SCRIPTS) or f"; choose one of {', '.join(SCRIPTS)}"
        print(f"error: completion {words[0]}: there is no such shell{told}", file=sys.stderr)
        sys.exit(2)


def query(line: str) -> None:
    """Print the words that may end a line such as `dnnx train net=`, one or more in each line of the output."""
    words = line.split()
    last = "" if line.endswith(" ") else words.pop()
    if len(words) < 2:
        print("\n".join(name for name in COMMANDS if name.startswith(last)))
        return
    if words[1] not in COMMANDS or words[1] == "compare":  # the shell completes files
        return
    key, is_value, start = last.partition("=")
    if is_value and key in OF_FILES:
        print("\n".join(f"{key}={path}" for path in sorted(glob.glob(f"{start}*"))))
        return
    os.environ["COMP_LINE"] = " ".join(["dnnx", *words[2:], last])
    sys.argv[:] = [f"dnnx.{words[1]}", "-sc", "query=bash"]
    importlib.import_module(COMMANDS[words[1]].module).main()
