"""Words that dnnx builds are read by Hydra as they were meant, and the words beside resume=<study> count."""

import json
import shlex
from pathlib import Path

import pytest
from commands import compose

from dnnx.basics.errors import UserError
from dnnx.config.overrides import override_of, retype_study, split, value_of
from dnnx.config.resume import resuming
from dnnx.config.words import words_of

ODD = ["a,b", "données", "r (1)", "it's", 'say "a"', "2024", "null", "1e3", "a=b", "x;y&z#~!", " "]


def study_in(folder: Path, *overrides: str) -> Path:
    """Write the study.json of a study of which no arm has begun."""
    folder.mkdir(parents=True)
    declared = {"name": "s", "arms": ["plain", "bn"], "overrides": ["+exp=bn_vs_plain", *overrides]}
    (folder / "study.json").write_text(json.dumps(declared))
    return folder


@pytest.mark.parametrize("value", ["plain", "outputs/dense5/latest", "back\\", *ODD])
def test_an_override_sets_the_text_that_it_was_made_of(value: str) -> None:
    word = override_of("paths.data", value)
    assert compose(word).paths.data == value
    assert value_of(word) == value
    assert ("'" in word or '"' in word) == (value in ODD)


@pytest.mark.parametrize("value", ODD[:-1])
def test_the_printed_command_goes_on_with_a_study_in_any_folder(value: str, tmp_path: Path) -> None:
    study = study_in(tmp_path / value)
    words = shlex.split(resuming(study))[3:]
    assert retype_study(words) == ["-m", "+exp=bn_vs_plain", *words]
    assert compose(*words).resume == str(study)


def test_a_name_that_is_a_number_stays_a_text() -> None:
    words = words_of("dense5", "mnist", None, 5, "2024", "outputs", [], None)
    assert compose(*words).name == "2024"


@pytest.mark.parametrize("before", [[], ["seeds=5"]])
def test_seeds_beside_a_study_of_which_no_arm_has_begun_are_its_seeds(before: list[str], tmp_path: Path) -> None:
    study = study_in(tmp_path / "s", *before)
    assert retype_study([f"resume={study}", "seeds=3"]) == ["-m", "+exp=bn_vs_plain", "seeds=3", f"resume={study}"]


def test_seeds_that_cannot_be_parsed_are_left_for_the_parser_to_say(tmp_path: Path) -> None:
    study = study_in(tmp_path / "s")
    (study / "plain").mkdir()
    (study / "plain/config.yaml").write_text("seeds: 3\n")
    assert "seeds=[1,2" in retype_study([f"resume={study}", "seeds=[1,2"])


def test_a_flag_beside_a_study_is_no_command_of_its_own(tmp_path: Path) -> None:
    study = study_in(tmp_path / "s")
    words = ["--config-dir", "mine", f"resume={study}"]
    assert retype_study(words) == ["-m", "+exp=bn_vs_plain", *words]
    assert retype_study([*words, "+exp=own"]) == [*words, "+exp=own"], "a whole command"
    with pytest.raises(UserError, match=r"^net\.dropout=0\.3: a study goes on with the settings of its start"):
        retype_study([*words, "net.dropout=0.3"])


def test_the_config_of_a_study_that_would_go_on_is_shown_without_its_jobs(tmp_path: Path) -> None:
    study = study_in(tmp_path / "s")
    assert not split(retype_study([f"resume={study}", "--cfg", "job"])).is_multirun()
