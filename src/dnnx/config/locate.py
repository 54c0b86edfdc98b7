"""Locate classes: from a dotted path to a class or function of the current folder or any installed package."""

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from dnnx.basics.errors import UserError, near_misses, require, shown
from dnnx.config.own_lines import described

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def locate(key: str, target: Any) -> Any:
    """Return the object of the dotted path `target`; import the modules on its path.

    Raise UserError for an unknown module or name, with near misses, and for a module that raises, with its lines.

    Example: `locate("net._target_", "my_nets.SmallConv")` imports my_nets.py of the current folder.
    """
    dotted = isinstance(target, str) and bool(DOTTED.fullmatch(target))
    require(dotted, key, shown(target), "the path of a class, with its module, for example my_nets.SmallConv")
    add_code_folders([Path.cwd()], first=True)
    found, names = None, target.split(".")
    for i, name in enumerate(names):
        if found is None or (isinstance(found, ModuleType) and not hasattr(found, name)):
            found = _module(key, target, ".".join(names[: i + 1]), found)
        elif not hasattr(found, name):
            raise _no_such_name(key, target, ".".join(names[:i]), found)
        else:
            found = getattr(found, name)
    return found


def add_code_folders(folders: Iterable[str | Path], first: bool = False) -> None:
    """Make modules in these folders importable, after all others, or before them as Python's own folder is."""
    for folder in map(str, folders):
        if folder not in sys.path and Path(folder).is_dir():
            sys.path.insert(0 if first else len(sys.path), folder)


class _Opened:
    """A finder of Python's import system for single packages of folders that are not trusted as a whole."""

    def __init__(self) -> None:
        self.folders: dict[str, list[str]] = {}  # by package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self.folders[name]) if path is None and name in self.folders else None


_opened = _Opened()


def open_packages(folders: Iterable[Path], packages: Iterable[str]) -> None:
    """Make these packages in these folders importable, after all others, and nothing else there."""
    for package in packages:
        known = _opened.folders.setdefault(package, [])
        known += [str(folder.absolute()) for folder in folders if str(folder.absolute()) not in known]
    if _opened not in sys.meta_path:
        sys.meta_path.append(_opened)  # type: ignore[arg-type]


def _module(key: str, target: str, name: str, above: ModuleType | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise _broken(key, target, name, error) from None
    except (Exception, SystemExit) as error:
        raise _broken(key, target, name, error) from None
    if above is not None:
        raise _no_such_name(key, target, above.__name__, above)
    near = near_misses(name, _top_level_names())
    raise UserError(f"{key}={target}: there is no module {name}, neither in {Path.cwd()} nor installed{near}")


def _broken(key: str, target: str, name: str, error: BaseException) -> UserError:
    return UserError(f"{key}={target}: importing {name} raises {described(error, name)}")


def _no_such_name(key: str, target: str, path: str, found: Any) -> UserError:
    wrong = target.removeprefix(f"{path}.").partition(".")[0]
    public = [name for name in dir(found) if not name.startswith("_")]
    return UserError(f"{key}={target}: {path} has no {wrong}{near_misses(wrong, public, f'{path}.')}")


def _top_level_names() -> list[str]:
    here = Path.cwd()
    own = [path.stem for path in here.glob("*.py")] + [path.parent.name for path in here.glob("*/*.py")]
    return sorted({*own, *importlib.metadata.packages_distributions()})
