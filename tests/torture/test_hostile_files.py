"""Files that somebody else made or a disk spoilt: one line or a right result; no traceback, no code, no huge memory.

Here hypothesis damages whole files; torture.fuzz looks for more with a coverage-guided fuzzer.
"""

import json
import math
import pickle
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from commands import SMOKE, compose, measured
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf.errors import OmegaConfBaseException
from torture import fuzz
from torture.tries import FULL, Tries

from dnnx import compare
from dnnx.basics.errors import UserError
from dnnx.config.continued import resumed_config
from dnnx.config.overrides import retype_study
from dnnx.config.resume import load_config, load_results
from dnnx.data import sources
from dnnx.data.sources import cache, digits
from dnnx.evaluate import evaluate
from dnnx.reports.figures import drawing
from dnnx.runs.read import read_study
from dnnx.runs.tensors import load_tensors
from dnnx.train import train
from dnnx.training.callbacks.checkpoint import load_checkpoint

ONE_LINE = (UserError, OSError, OmegaConfBaseException)  # what dnnx.config.app makes a line of
VALUES: list[Any] = [
    None, True, -1, 0, 1, 0.5, 1e308, math.inf, math.nan, 10**400, 2**40, "", "x", "a\nb", "$x^$", "\ud800", "\x00",
    "<script>alert(1)</script>", "../../x", "${oc.env:HOME}", [], {}, [[]], [None], ["x"], [1, 2], {"a": 1},
    {"_target_": "os.getcwd"},
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, contents: bytes) -> bytes:
    """Cut, flipped, overwritten, repeated or longer."""
    body, where = bytearray(contents), draw(st.integers(0, max(0, len(contents) - 1)))
    match draw(st.sampled_from(["cut", "flip", "write", "repeat", "grow"])):
        case "cut":
            del body[where:]
        case "flip":
            for place in draw(st.lists(st.integers(0, max(0, len(body) - 1)), min_size=1, max_size=8)):
                body[place : place + 1] = bytes([body[place] ^ 1 << draw(st.integers(0, 7))]) if body else b""
        case "write":
            new = draw(st.binary(min_size=1, max_size=12))
            body[where : where + len(new)] = new
        case "repeat":
            body[where:where] = body[where : where + draw(st.integers(1, 200))]
        case "grow":
            body += draw(st.binary(min_size=1, max_size=50))
    return bytes(body)


@st.composite
def altered(draw: st.DrawFn, value: Any) -> Any:
    """A mapping with something in it replaced, gone, or under another name, at any depth."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(VALUES))
    changed: Any = value.copy()
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(keys))
    match draw(st.integers(0, 4)):
        case 0:
            del changed[key]
        case 1 if isinstance(changed, dict):
            changed[draw(st.text(max_size=8))] = changed.pop(key)
        case _:
            changed[key] = draw(altered(value[key]))
    return changed


def hostile(path: Path) -> st.SearchStrategy[bytes]:
    """The file as it could have become, by accident or by intent."""
    contents = path.read_bytes()
    if path.suffix == ".json":
        told = altered(json.loads(contents)).map(lambda value: json.dumps(value).encode())
    elif path.suffix == ".yaml":
        told = altered(yaml.safe_load(contents)).map(lambda value: yaml.safe_dump(value).encode(errors="replace"))
    elif path.suffix == ".csv":
        lines = contents.decode().splitlines()
        cells = st.sampled_from(["", "nan", "inf", "-1", "1e999", "99999999999999999999", "1.5", "x", "val", "$", '"'])
        told = st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 4), cells).map(lambda t: _cell(lines, *t))
    else:
        return damaged(contents)
    return st.one_of(told, told, damaged(contents))


def _cell(lines: list[str], row: int, column: int, value: str) -> bytes:
    cells = lines[row].split(",")
    cells[column % len(cells)] = value
    return "\n".join([*lines[:row], ",".join(cells), *lines[row + 1 :], ""]).encode()


def many(tries: Tries, short: int, full: int) -> Any:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    phases = [phase for phase in Phase if phase is not Phase.explain]  # it takes minutes
    return settings(max_examples=tries.number(short, full), suppress_health_check=checks, deadline=None, phases=phases)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    small = [
        "net.hidden=[6,6]",
        "net.dropout=0.1",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        "data.batch_size=128",
    ]
    train(compose(*SMOKE, *small), folder)
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of a finished run, for a process that reads the digits once and has little memory."""
    kept, limit = digits.load(tmp_path), resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setitem(sources.SOURCES, "digits", lambda root: kept)
    resource.setrlimit(resource.RLIMIT_AS, (fuzz.memory_limit(), limit[1]))
    yield Path(shutil.copytree(finished, tmp_path / "run"))
    resource.setrlimit(resource.RLIMIT_AS, limit)


@pytest.mark.parametrize("name", fuzz.READERS)
def test_a_damaged_file_of_bytes_is_read_right_or_refused_in_one_line(name: str, tmp_path: Path, tries: Tries) -> None:
    count = 0

    @many(tries, 40, 600)
    @given(st.sampled_from(fuzz.seeds(name)).flatmap(lambda contents: st.one_of(st.just(contents), damaged(contents))))
    def test(contents: bytes) -> None:
        nonlocal count
        count += 1
        fuzz.READERS[name](contents, tmp_path)

    test()
    tries.count("a damaged file, by hypothesis", count)


@pytest.mark.skipif(not FULL, reason="make torture runs it: two minutes")
@pytest.mark.skipif(find_spec("atheris") is None, reason="needs atheris: pip install atheris")
def test_a_coverage_guided_fuzzer_finds_no_file_that_is_handled_worse(
    fuzzing: tuple[subprocess.Popen, Path], tries: Tries
) -> None:
    process, log = fuzzing
    code = process.wait()
    tries.count("a file of bytes, by atheris", sum(fuzz.RUNS.values()), ["found"] if code else [])
    assert code == 0, log.read_text(errors="replace")[-5000:]


FILES = ["config.yaml", "environment.json", "data.json", "results.json", "metrics.csv", "predictions.safetensors"]


def through(
    copy: Path, tries: Tries, kind: str, files: list[str], command: Callable[[str], object], short: int, full: int
) -> None:
    """Runs the command on a run folder of which one file is hostile."""
    whole = {name: (copy / name).read_bytes() for name in files}
    count = 0

    @many(tries, short, full)
    @given(st.sampled_from(files).flatmap(lambda name: st.tuples(st.just(name), hostile(copy / name))))
    def test(case: tuple[str, bytes]) -> None:
        nonlocal count
        count += 1
        name, contents = case
        (copy / name).write_bytes(contents)
        try:
            command(name)
        except ONE_LINE:
            pass
        finally:
            (copy / name).write_bytes(whole[name])

    test()
    tries.count(kind, count)


def test_a_report_on_a_hostile_run_folder(
    copy: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: Tries
) -> None:
    save, out = drawing.save, tmp_path / "out"
    calls = 0

    def sometimes(draw: Callable, folder: Path, name: str) -> Path:
        if calls % 40 == 1:
            return save(draw, folder, name)
        (folder / f"{name}.svg").write_text("<svg/>")
        return folder / f"{name}.svg"

    def report(name: str) -> None:
        nonlocal calls
        calls += 1
        assert compare.main([str(copy), str(finished), "--out", str(out), "--force"]) in (0, 2)
        if (out / "report.html").exists():
            assert "<script" not in (out / "report.html").read_text()
        shutil.rmtree(out, ignore_errors=True)

    monkeypatch.setattr(drawing, "save", sometimes)
    through(copy, tries, "a hostile run folder in dnnx.compare", FILES, report, 5, 120)


def test_the_weights_of_a_hostile_run_folder_are_tested_again(copy: Path, tries: Tries) -> None:
    cfg = compose(f"run={copy}", "accelerator=cpu", name="evaluate")
    files = ["config.yaml", "data.json", "results.json", "model.safetensors"]
    through(copy, tries, "a hostile run folder in dnnx.evaluate", files, lambda name: evaluate(cfg), 10, 200)


def test_a_hostile_run_folder_is_resumed(copy: Path, finished: Path, tries: Tries) -> None:
    right = measured(json.loads((finished / "results.json").read_text()))
    cfg = compose(*SMOKE, f"resume={copy}")

    def resume(name: str) -> None:
        (copy / "results.json").unlink()
        try:
            found = train(resumed_config(cfg, copy, ["resume="]), copy)
            assert name == "config.yaml" or measured(found) == right, name
        finally:
            shutil.rmtree(copy)
            shutil.copytree(finished, copy)

    files = ["config.yaml", "metrics.csv", "checkpoints/last.ckpt"]
    through(copy, tries, "a hostile run folder in dnnx.train resume=", files, resume, 6, 120)


STUDY = {
    "name": "a", "question": "b", "reference": "one", "arms": ["one", "two"], "axes": ["net.dropout"],
    "verdicts": [{"ask": "c?", "metric": "test/loss", "arm": "two", "than": "one", "expect": "lower"}],
    "config_dir": ["mine"], "overrides": ["+exp=dense5", "hydra/launcher=processes"],
}  # fmt: skip


def test_a_hostile_study_is_reported_on_or_refused(
    copy: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: Tries
) -> None:
    study, out = tmp_path / "study", tmp_path / "out"
    for arm in ("one", "two"):
        shutil.copytree(finished, study / arm)
    monkeypatch.setattr(
        drawing, "save", lambda draw, folder, name: (folder / "a.svg").write_text("<svg/>") and folder / "a.svg"
    )
    count = 0

    @many(tries, 10, 120)
    @given(altered(STUDY))
    def test(declared: Any) -> None:
        nonlocal count
        count += 1
        (study / "study.json").write_text(json.dumps(declared))
        assert compare.main([str(study), "--out", str(out), "--force"]) in (0, 2)
        shutil.rmtree(out, ignore_errors=True)
        try:
            retyped = retype_study([f"resume={study}"])
        except UserError:
            return
        assert not [word for word in retyped if "hydra" in word and word != "hydra/launcher=processes"]

    test()
    tries.count("a hostile study.json", count)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: [*a, *a]",
        "a: !!python/object/apply:os.system [false]",
        "seeds: " + "[" * 5000,
        "x: " + "y" * 2**21,
        "a: \x00",
        "? [a]\n: b",
        "\xff",
    ],
    ids=["alias", "object", "deep", "long", "nul", "key", "latin"],
)
def test_yaml_that_would_grow_or_run_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(UserError) as error:
        load_config(tmp_path, "run")
    assert "\n" not in str(error.value)


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    canary, path = tmp_path / "was run", tmp_path / "file"

    class Evil:
        def __reduce__(self) -> tuple:
            return Path.touch, (canary,)

    pickle.loads(pickle.dumps(Evil()))
    canary.unlink()  # it works
    for write in (lambda: path.write_bytes(pickle.dumps(Evil())), lambda: torch.save({"state_dict": Evil()}, path)):
        write()
        for read in (load_checkpoint, load_tensors):
            with pytest.raises(UserError, match=r"file: not .*readable"):
                read(path)
        assert cache._read(path, "") is None
    assert not canary.exists()


@pytest.mark.parametrize("name", ["results.json", "study.json"])
def test_json_that_is_nested_deeper_than_python_can_go_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"not readable JSON|cannot be read"):
        load_results(tmp_path) if name == "results.json" else read_study([tmp_path])
