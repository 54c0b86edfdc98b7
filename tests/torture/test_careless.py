"""No slip of a careless user ends in a traceback or in a run of something else: a sample, or all."""

import math
import random
import shutil
from pathlib import Path

import pytest
from commands import compose
from tiny_backbone import make_backbone
from torture import careless
from torture.careless import Try
from torture.tries import ALL, FULL, Tries

from dnnx.basics.errors import UserError
from dnnx.runs.tensors import load_tensors, save_tensors
from dnnx.train import train

ONE = "one.safetensors"
UNLEARNED = "are as they started"  # what a rate or share that is allowed can end in


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A backbone and a run with dropout, both finished."""
    folder = tmp_path_factory.mktemp("places")
    careless.write_files(folder)
    make_backbone(folder / "backbone", "net.hidden=[6,5]")
    train(compose(*careless.SMALL, "net.dropout=0.1"), folder / "run")
    weights = load_tensors(folder / "run" / "model.safetensors")
    save_tensors({name: value[0] for name, value in weights.items() if "dropout" not in name}, folder / "run" / ONE)
    return folder / "backbone", folder / "run"


@pytest.fixture(scope="module")
def slips(tries: Tries, places: tuple[Path, Path]) -> list[Try]:
    """All of them in an order by the seed; a few have few bases, as to compose one takes longer than a try."""
    by_chance, every = random.Random(tries.seed), careless.all_tries(*places)
    tries.notes.append(f"careless users: there are {len(every):,} slips to try")
    if not FULL:
        bases = by_chance.sample(list(dict.fromkeys(slip.base for slip in every)), 15)
        every = [slip for slip in every if slip.base in bases]
    return by_chance.sample(every, len(every))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typed value may be the name of a file."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    careless.stopped_before_training(monkeypatch)


def end(slip: Try, folder: Path) -> tuple[str | None, str | None]:
    """Return the error that a user reads, and the fault in it."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        said = careless.end(slip, folder)
    except (Exception, careless.TooLong) as error:
        return "", f"{type(error).__name__}: {error}"
    return said, careless.complaint(slip, said)


@pytest.mark.slow
@pytest.mark.usefixtures("before_training")
def test_every_slip_is_a_one_line_error_that_names_the_key_or_a_valid_value(
    tries: Tries, slips: list[Try], tmp_path: Path
) -> None:
    chosen = slips if ALL else slips[: tries.number(250, 3000)]
    wrong = [f"{slip}\n    {why}" for slip in chosen if (why := end(slip, tmp_path / "run")[1])]
    tries.count("careless users", len(chosen), wrong)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_valid_setting_trains_to_valid_results(tries: Tries, slips: list[Try], tmp_path: Path) -> None:
    """Each of these runs asserts that every technique of its config had an effect."""
    trained, most = 0, tries.number(6, 60)
    for slip in (slip for slip in slips if slip.command == "train"):
        with pytest.MonkeyPatch.context() as patch:
            careless.stopped_before_training(patch)
            if end(slip, tmp_path / "tried") != (None, None) or slip.is_whole():
                continue
        try:
            found = train(careless.config_of(slip), tmp_path / f"{trained}")
            loss = found.get("ensemble/loss", found["test/loss"])[0]  # an autoencoder has no ensemble
            loss = 0 if all(found["epoch/diverged"]) else loss
        except UserError as error:
            loss = 0 if UNLEARNED in str(error) else math.nan
        assert math.isfinite(loss), slip
        shutil.rmtree(tmp_path / f"{trained}")
        trained += 1
        if trained == most:
            break
    tries.count("careless users, trained", trained)
