"""The architecture holds: imports run one way, files are short, no library's private module is imported.

All is read from the source with `ast`; nothing of dnnx is imported. The tables at the top list each exception that
still exists. A test fails for a new exception, and for one that is gone, so the tables only shrink.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "dnnx"
AT_THE_TOP = {"train", "evaluate", "compare", "tune", "import_weights", "__main__"}  # files; more stand in commands/
COMMANDS = AT_THE_TOP | {"commands", "api"}
# A file imports its own package and the packages of earlier rows. Packages of one row do not import each other.
ROWS = [
    {"basics"},
    {"runs"},
    {"nets", "config", "reports"},
    {"techniques", "tasks", "data", "optim"},
    {"training"},
    {"modules", "evaluation"},
    {"studies", "tuning"},
    COMMANDS,
]
HEAVY = {"torch", "torchvision", "lightning", "sklearn", "scipy", "pandas", "matplotlib"}  # seconds to import
# The same, and what takes a part of one.
SLOW = HEAVY | {"optuna", "torchmetrics", "tensorboard", "safetensors", "onnx", "h5py", "keras"}
MAX_LINES = 250

UPWARD_IMPORTS: set[tuple[str, str]] = set()  # (file, package that it should not import)
LONG_FILES: dict[str, int] = {}  # file: its lines, a bound that it may not exceed
PRIVATE_IMPORTS: set[tuple[str, str]] = {
    ("evaluation/layer_costs.py", "torch.utils._python_dispatch.TorchDispatchMode"),
}  # (file, module of a library)


@cache
def source_files() -> dict[str, ast.Module]:
    """Return the syntax tree of each file of dnnx, by its path in src/dnnx."""
    return {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of each module or object that a tree imports, deferred imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide the package: write dnnx.<package>"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """Yield the imports at the top level of a file, which run as soon as the file is imported."""
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from imported(statement)


def package_of(file: str) -> str:
    """Return the first folder of a file, or the name of a file at the top: `nets/dense.py` -> `nets`."""
    return file.split("/")[0].removesuffix(".py")


def row(package: str) -> int:
    """Return the place of a package in ROWS; a package without a place is an error that says so."""
    places = [place for place, packages in enumerate(ROWS) if package in packages]
    assert places, f"{package}: ROWS has no place for it"
    return places[0]


def file_of(name: str) -> str | None:
    """Return the file of dnnx that an imported name stands for: `dnnx.nets.dense.DenseNet` -> `nets/dense.py`."""
    parts = name.split(".")[1:]
    for end in range(len(parts), -1, -1):
        for file in ("/".join(parts[:end]) + ".py", "/".join([*parts[:end], "__init__.py"])):
            if file in source_files():
                return file
    return None


def upward_imports() -> set[tuple[str, str]]:
    found = set()
    for file, tree in source_files().items():
        own = package_of(file)
        for name in imported(tree):
            if not name.startswith("dnnx.") or own == "__init__":
                continue
            package = name.split(".")[1]
            beside = package == own or {package, own} <= COMMANDS
            if not beside and row(package) >= row(own):
                found.add((file, package))
    return found


def private_imports() -> set[tuple[str, str]]:
    return {
        (file, name)
        for file, tree in source_files().items()
        for name in imported(tree)
        if not name.startswith("dnnx.")
        and any(part.startswith("_") and part != "__future__" for part in name.split("."))
    }


def test_imports_run_one_way() -> None:
    assert upward_imports() - UPWARD_IMPORTS == set()


def test_no_library_s_private_module_is_imported() -> None:
    assert private_imports() - PRIVATE_IMPORTS == set()


def test_only_commands_stand_at_the_top() -> None:
    at_the_top = {path.stem for path in SOURCE.glob("*.py")} - {"__init__"}
    assert at_the_top <= AT_THE_TOP
    assert len(at_the_top) <= 6


def test_no_file_is_long() -> None:
    lines = {file: len((SOURCE / file).read_text().splitlines()) for file in source_files()}
    assert {file: count for file, count in lines.items() if count > LONG_FILES.get(file, MAX_LINES)} == {}


def test_the_configuration_imports_no_torch() -> None:
    """Follow the imports that run at once, from the files of config/ through dnnx; none leads to a heavy library."""
    reached = {file: file for file in source_files() if file.startswith("config/")}
    todo = list(reached)
    heavy = set()
    while todo:
        file = todo.pop()
        for name in imported_at_once(source_files()[file]):
            if name.split(".")[0] in HEAVY:
                heavy.add(f"{reached[file]} -> {name}")
            follow = file_of(name) if name.startswith("dnnx") else None
            if follow is not None and follow not in reached:
                reached[follow] = f"{reached[file]} -> {follow}"
                todo.append(follow)
    assert heavy == set()


def heavy_libraries(*files: str) -> set[str]:
    """Return the libraries that load when these files of dnnx do."""
    seen, todo, found = set[str](), [*files], set[str]()
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imported_at_once(source_files()[file]):
            found |= {name.split(".")[0]} & SLOW
            todo += [own for own in [file_of(name)] if own is not None and name.startswith("dnnx")]
    return found


def test_an_import_waits_in_a_function_only_where_it_loads_a_heavy_library() -> None:
    """Any other belongs to the top of the file, where a reader looks for it."""
    needless = []
    for file, tree in source_files().items():
        there = heavy_libraries(file)
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for statement in (node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)):
                names = [*imported(statement)]
                loaded = {name.split(".")[0] for name in names} & SLOW
                loaded |= heavy_libraries(*(own for own in map(file_of, names) if own and names[0].startswith("dnnx")))
                if not loaded - there:
                    needless.append(f"{file}, {function.name}: {ast.unparse(statement)}")
    assert needless == []


def test_no_exception_is_out_of_date() -> None:
    """Delete a line from the tables above when its file obeys the rule."""
    lines = {file: len((SOURCE / file).read_text().splitlines()) for file in LONG_FILES if file in source_files()}
    assert UPWARD_IMPORTS - upward_imports() == set()
    assert PRIVATE_IMPORTS - private_imports() == set()
    assert {file for file in LONG_FILES if lines.get(file, 0) <= MAX_LINES} == set()
