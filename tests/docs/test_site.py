"""The site of docs/ is built offline and strictly: a broken link, or a page that no other names, is an error."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("sphinx", "myst_parser", "furo")
ABSENT = [name for name in NEEDED if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if ABSENT:
        pytest.skip(f"{', '.join(ABSENT)} is absent: pip install -c constraints.txt -e '.[docs]'")
    site = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs"), str(site)]
    done = subprocess.run(words, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


@pytest.mark.slow
def test_every_page_and_reference_is_there(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert [page for page in pages if not (site / page).exists()] == []
    keys = (site / "reference" / "keys.html").read_text()
    for key in ("study.max_seeds", "net.hidden", "techniques.pruning.sparsity", "folds"):
        assert f">{key}<" in keys
    functions = (site / "reference" / "api.html").read_text()
    for name in (
        "dnnx.fit",
        "dnnx.study",
        "dnnx.load",
        "dnnx.api.Run.predict",
        "dnnx.techniques.base.Technique.after_step",
    ):
        assert f'id="{name}"' in functions


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for line in page.read_text().splitlines():
            assert not ("http" in line and ("<script" in line or '<link rel="stylesheet' in line or "<img" in line))
