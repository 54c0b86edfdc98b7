"""The next Hydra runs a study too, and deprecates nothing that dnnx uses but `version_base`, which 1.3 needs."""

import os
from pathlib import Path

import pytest
from commands import python

NEXT = os.environ.get("DNNX_NEXT_HYDRA", "")
STUDY = """
import runpy, sys, warnings
import hydra
assert hydra.__version__.startswith("1.4"), hydra.__version__
sys.argv = ["dnnx.train", "+exp=bn_vs_plain", "data.source=digits", "seeds=2", "trainer.max_epochs=1"]
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    try:
        runpy.run_module("dnnx.train", run_name="__main__")
    except SystemExit as end:
        code = end.code
about_hydra = {str(warning.message) for warning in told if "Hydra" in warning.category.__name__}
print("code:", code, "deprecated:", [text for text in about_hydra if "version_base" not in text])
"""


@pytest.mark.skipif(not NEXT, reason="pip install --target FOLDER hydra-core==1.4.0rc3, and DNNX_NEXT_HYDRA=FOLDER")
def test_a_study_runs_with_the_next_hydra(tmp_path: Path) -> None:
    path = os.pathsep.join([NEXT, os.environ.get("PYTHONPATH", "")])
    done = python(STUDY, tmp_path, PYTHONPATH=path)
    assert "code: 0 deprecated: []" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "outputs" / "bn_vs_plain" / "latest" / "report.html").exists()
