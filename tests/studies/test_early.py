"""A backbone whose weights fit no arm is noticed before the first arm, where torch is there to look."""

from pathlib import Path

import pytest
from commands import compose
from tiny_backbone import make_backbone, transfer

from dnnx.studies.early import early_error


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_backbone(tmp_path_factory.mktemp("backbone") / "run", "trainer.max_epochs=1")


def test_a_backbone_that_fits_is_no_error(backbone: Path) -> None:
    assert early_error([], {"a": compose(*transfer(backbone)), "b": compose(*transfer(backbone))}) is None


def test_weights_of_another_shape_are_one_line_that_names_them(backbone: Path) -> None:
    narrow = compose(*transfer(backbone, "net.hidden=[12,11,10,9,7]"))
    told = early_error([], {"fits": compose(*transfer(backbone, "techniques.pretrained.fresh=['*']")), "not": narrow})
    assert told is not None
    assert told.startswith(f"backbone={backbone}: its hidden_layers.4.")
    assert "\n" not in told


def test_an_arm_that_loads_nothing_needs_no_fit(backbone: Path) -> None:
    other = transfer(backbone, "net.hidden=[3]", "techniques.pretrained.fresh=['*']")
    assert early_error([], {"scratch": compose(*other)}) is None


def test_a_claim_is_looked_at_first(backbone: Path) -> None:
    claim = {"arm": "a", "than": "a", "metric": "test/acuracy"}
    told = early_error([claim], {"a": compose(*transfer(backbone))})
    assert told is not None
    assert told.startswith("study.claims.test/acuracy")
