"""The parts of a report: each file of sections/ and figures/ is one, found by itself and placed by its PLACE."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

MIDDLE = 50  # the place of a file without PLACE


def parts(package: ModuleType, needs: str) -> list[ModuleType]:
    """Return the modules of a package that define `needs`, by their number PLACE, then by name.

    `parts(figures, "plan")` are the figures of a report: files of reports/figures with `plan(study) -> list[Drawing]`.
    """
    modules = [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
    having = [module for module in modules if hasattr(module, needs)]
    return sorted(having, key=lambda module: (getattr(module, "PLACE", MIDDLE), module.__name__))
