"""A release is reproducible: wheels and source archives of one commit are equal byte for byte, wherever made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("src", "conf", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def checkout(folder: Path, backwards: bool) -> Path:
    """Write the files of a release as another clone has them: made in another order, at another time."""
    paths = [path for part in PARTS for path in (ROOT / part, *(ROOT / part).rglob("*")) if path.is_file()]
    paths = [path for path in paths if "__pycache__" not in path.parts]
    for path in sorted(paths, reverse=backwards):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        os.utime(copy, (1e9, 1e9 + 1e8 * backwards))
    return folder


def built(folder: Path, umask: int, **environment: str) -> dict[str, bytes]:
    """Return the files that hatchling builds of a checkout, by name."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", "made"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", **environment}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, umask=umask, env=environment)
    return {path.name: path.read_bytes() for path in (folder / "made").iterdir()}


@pytest.mark.slow
def test_two_releases_of_one_commit_are_equal_byte_for_byte(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        strict = checkout(tmp_path / "strict", backwards=True)
    finally:
        os.umask(before)
    usual = checkout(tmp_path / "a longer name", backwards=False)
    (usual / "src/dnnx/__pycache__").mkdir()
    (usual / "src/dnnx/__pycache__/train.cpython-311.pyc").write_bytes(b"left by a run")
    one = built(strict, 0o077, TZ="Asia/Tokyo", PYTHONHASHSEED="1")
    other = built(usual, 0o022, TZ="UTC", PYTHONHASHSEED="2")
    assert sorted(one) == sorted(other)
    assert {Path(name).suffix for name in one} == {".whl", ".gz"}
    assert [name for name in one if one[name] != other[name]] == []
