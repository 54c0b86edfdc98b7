"""Where conf/ is."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# An installed wheel carries conf/ inside the package; a checkout has it at the top.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"


def experiment(name: str) -> Path | None:
    """Return the file of an experiment in a folder of conf/exp, by its name alone; None where there is none."""
    return next((path for path in sorted((CONF / "exp").glob("*/*.yaml")) if path.stem == name), None)


def options(group: str) -> list[str]:
    """Return the options of a group of conf/, sorted; those of `exp` without their folders."""
    return sorted(path.stem for path in (CONF / group).rglob("*.yaml"))
