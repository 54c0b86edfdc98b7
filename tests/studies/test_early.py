"""What no arm could do is noticed before the first arm, where torch is there to look: claims, weights, networks."""

from pathlib import Path

import pytest
from commands import compose
from tiny_backbone import make_backbone, transfer

from dnnx.studies.early import look


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_backbone(tmp_path_factory.mktemp("backbone") / "run", "trainer.max_epochs=1")


DROPPED = "techniques.pretrained.dropped=['*']"


def error(claims: list[dict[str, str]], **arms: list[str]) -> str | None:
    configs = {name: compose(*words) for name, words in arms.items()}
    return look(claims, configs, configs).error


def test_a_backbone_that_fits_is_no_error(backbone: Path) -> None:
    assert error([], a=transfer(backbone), b=transfer(backbone)) is None


def test_weights_of_another_shape_are_one_line_that_names_them(backbone: Path) -> None:
    fits = transfer(backbone, "techniques.pretrained.fresh=['*']")
    told = error([], fits=fits, narrow=transfer(backbone, "net.hidden=[12,11,10,9,7]"))
    assert told is not None
    assert told.startswith(f"study.arms.narrow: backbone={backbone}: its hidden_layers.4.")
    assert "\n" not in told


def test_an_arm_that_loads_nothing_needs_no_fit(backbone: Path) -> None:
    assert error([], scratch=transfer(backbone, "net.hidden=[3]", "techniques.pretrained.fresh=['*']", DROPPED)) is None


def test_a_claim_is_looked_at_first(backbone: Path) -> None:
    told = error([{"arm": "a", "than": "a", "metric": "test/acuracy"}], a=transfer(backbone, "net.hidden=[3]"))
    assert told is not None
    assert told.startswith("study.claims.test/acuracy")
