"""MNIST: places of its files, refused files, the download, and the bundled digits as a substitute."""

import gzip
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from splits import shared_images
from torchvision.datasets import MNIST

from dnnx.basics.errors import UserError
from dnnx.data.sources import MissingData, download, load
from dnnx.data.sources.mnist import MNIST_FILES

GENUINE = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

Make = Callable[..., Path]


# --- reading


def test_the_real_files_are_the_genuine_ones(mnist_root: Path) -> None:
    source = load("mnist", mnist_root)
    assert source.files == GENUINE
    assert source.source == "mnist"
    assert source.train_images.shape == (60_000, 1, 28, 28)
    assert source.test_images.shape == (10_000, 1, 28, 28)
    assert source.num_val == 5000
    assert source.class_names == list("0123456789")
    assert not source.warning


@pytest.mark.parametrize("folder", ["MNIST/raw", "."])
@pytest.mark.parametrize("compressed", [False, True])
def test_files_are_found_plain_and_gz_in_raw_and_flat(tiny_mnist: Make, folder: str, compressed: bool) -> None:
    root = tiny_mnist(folder)
    plain = load("mnist", root)
    if compressed:
        for path in (root / folder).glob("*ubyte"):
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    source = load("auto", root)
    assert source.train_images.shape == (5200, 1, 2, 2)
    np.testing.assert_array_equal(source.train_images, plain.train_images)
    assert source.files == plain.files  # the checksums are of what is inside
    assert set(source.files) == set(MNIST_FILES)


def test_checksums_are_of_the_uncompressed_files(tiny_mnist: Make, tiny_files: dict[str, bytes]) -> None:
    expected = {name: hashlib.sha256(contents).hexdigest() for name, contents in tiny_files.items()}
    assert load("mnist", tiny_mnist()).files == expected


def test_files_of_both_places_complete_each_other(tiny_mnist: Make) -> None:
    root = tiny_mnist()
    (root / "MNIST" / "raw" / MNIST_FILES[3]).rename(root / MNIST_FILES[3])
    assert load("mnist", root).source == "mnist"


# --- refusing


def idx(*array: int) -> bytes:
    return bytes([0, 0, 8, 1, *len(array).to_bytes(4, "big"), *array])


@pytest.mark.parametrize("name", ["mnist", "auto"])
@pytest.mark.parametrize(
    ("file", "damage", "told"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-1], "expected 20800 bytes for .*, found 20799 bytes"),
        ("train-labels-idx1-ubyte", lambda b: b[:-1] + b"\x0a", "expected labels 0 to 9, found 10"),
        ("train-labels-idx1-ubyte", lambda b: idx(*[0] * 200), "expected 5200 labels, one per image, found 200"),
        ("t10k-labels-idx1-ubyte", lambda b: idx(*[255] * 100), "expected labels 0 to 9, found 255"),
        ("t10k-images-idx3-ubyte", lambda b: b[:3] + b"\x02" + b[4:], "magic number 0x00000803, found 0x00000802"),
        ("t10k-images-idx3-ubyte", lambda b: b[:11] + b"\x01" + b[12:15] + b"\x04" + b[16:], r"\(2, 2\).*\(1, 4\)"),
        ("t10k-images-idx3-ubyte", lambda b: b"", "expected a header of 16 bytes, found 0"),
    ],
)
def test_a_corrupt_file_is_named_and_nothing_stands_in(
    tiny_mnist: Make, tiny_files: dict[str, bytes], name: str, file: str, damage: Callable[[bytes], bytes], told: str
) -> None:
    root = tiny_mnist(**{file: damage(tiny_files[file])})
    with pytest.raises(UserError, match=rf"{file}: .*{told}"):
        load(name, root)


def test_too_few_images_to_validate_on_are_refused(tiny_mnist: Make, tiny_files: dict[str, bytes]) -> None:
    test_images, test_labels = tiny_files[MNIST_FILES[2]], tiny_files[MNIST_FILES[3]]
    root = tiny_mnist(train_images_idx3_ubyte=test_images, train_labels_idx1_ubyte=test_labels)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte: expected more than 5000 images, found 100"):
        load("mnist", root)


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_folder_without_permission_is_told(tiny_mnist: Make, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    root = tiny_mnist()

    def denied(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(UserError, match="no permission to read it") as error:
        load(name, root)
    assert str(root) in str(error.value)


def test_an_unknown_source_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.source=minst: .*auto, mnist, digits.*did you mean mnist"):
        load("minst", tmp_path)


def test_no_real_image_of_one_split_is_in_another(mnist_root: Path) -> None:
    source = load("mnist", mnist_root)
    assert shared_images(source) == set()


# --- falling back


def test_without_files_and_network_auto_takes_digits_and_says_so(tmp_path: Path, no_network: list[str]) -> None:
    root = tmp_path / "data"
    source = load("auto", root)
    assert source.source == "digits"
    assert all(part in source.warning for part in (str(root), "DIGITS", "Connection refused", "paths.data"))
    assert "\n" not in source.warning
    assert sorted(no_network) == sorted(mirror + MNIST.resources[0][0] for mirror in MNIST.mirrors)
    assert not root.exists()


def test_without_files_and_network_mnist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"could not be downloaded.*data\.source=digits"):
        load("mnist", tmp_path)


def test_a_network_that_swallows_everything_is_left_after_one_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many names, addresses and retries there are, one deadline covers all."""
    assert download.REACH_S < 15
    never = threading.Event()
    waits: list[float] = []

    class Answers(download.SimpleQueue):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            assert timeout is not None
            waits.append(timeout)
            now[0] += timeout
            raise download.Empty

    now = [0.0]
    monkeypatch.setattr(download, "urlopen", lambda request, timeout: never.wait())
    monkeypatch.setattr(download, "SimpleQueue", Answers)
    monkeypatch.setattr(download.time, "monotonic", lambda: now[0])
    source = load("auto", tmp_path / "data")
    never.set()
    assert source.source == "digits"
    assert "no mirror answered" in source.warning
    assert sum(waits) <= download.REACH_S


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_partly_missing_files_are_named_and_nothing_stands_in(tiny_mnist: Make, name: str) -> None:
    root = tiny_mnist(t10k_labels_idx1_ubyte=None)
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte missing beside the other MNIST files") as error:
        load(name, root)
    assert not isinstance(error.value, MissingData)
    assert "train-labels" not in str(error.value)


# --- the download


class Mirror:
    """A server of the tiny files as .gz on 127.0.0.1, in the place of torchvision's mirrors."""

    def __init__(self, folder: Path, url: str):
        self.folder, self.url = folder, url

    def damage(self, name: str, contents: bytes) -> None:
        (self.folder / f"{name}.gz").write_bytes(contents)


@pytest.fixture
def mirror(
    tmp_path: Path, tiny_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]
) -> Mirror:
    folder = tmp_path / "mirror"
    folder.mkdir()
    resources = []
    for name in MNIST_FILES:
        contents = gzip.compress(tiny_files[name])
        (folder / f"{name}.gz").write_bytes(contents)
        resources.append((f"{name}.gz", hashlib.md5(contents).hexdigest()))
    url = serve(folder)
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/", url])  # nobody listens at the first
    monkeypatch.setattr(MNIST, "resources", resources)
    return Mirror(folder, url)


def test_mnist_is_downloaded_checked_and_kept(
    tmp_path: Path, mirror: Mirror, tiny_files: dict[str, bytes], capfd: pytest.CaptureFixture
) -> None:
    root = tmp_path / "new" / "data"
    source = load("auto", root)
    assert source.source == "mnist"
    assert not source.warning
    assert {path.name: path.read_bytes() for path in (root / "MNIST" / "raw").iterdir()} == tiny_files
    assert os.listdir(root) == ["MNIST"]
    assert "100%" in capfd.readouterr().err  # torchvision's progress

    (mirror.folder / f"{MNIST_FILES[0]}.gz").unlink()
    assert load("mnist", root).files == source.files  # the second time from disk


def test_a_download_with_a_wrong_checksum_fails_and_leaves_nothing(tmp_path: Path, mirror: Mirror) -> None:
    root = tmp_path / "data"
    mirror.damage(MNIST_FILES[2], gzip.compress(b"something else"))
    with pytest.raises(MissingData, match=r"could not be downloaded .*t10k-images-idx3-ubyte\.gz.*corrupted"):
        load("mnist", root)
    assert os.listdir(root) == []


def test_a_death_in_the_middle_of_a_download_leaves_no_half_written_file(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets.mnist as module

    root = tmp_path / "data"
    real = module.download_and_extract_archive
    fetched: list[str] = []

    def die_at_the_third(url: str, download_root: str, filename: str, md5: str) -> None:
        if len(fetched) == 2:
            Path(download_root, filename.removesuffix(".gz")).write_bytes(b"half")
            raise KeyboardInterrupt
        real(url, download_root=download_root, filename=filename, md5=md5)
        fetched.append(filename)

    monkeypatch.setattr(module, "download_and_extract_archive", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        load("auto", root)
    assert not (root / "MNIST").exists()


def test_a_download_that_was_interrupted_once_is_completed(
    tiny_mnist: Make, mirror: Mirror, tiny_files: dict[str, bytes]
) -> None:
    root = tiny_mnist(t10k_images_idx3_ubyte=None, train_labels_idx1_ubyte=None)
    mine = root / "MNIST" / "raw" / MNIST_FILES[0]
    before = mine.stat().st_mtime_ns
    assert load("auto", root).source == "mnist"
    assert {path.name: path.read_bytes() for path in (root / "MNIST" / "raw").iterdir()} == tiny_files
    assert mine.stat().st_mtime_ns == before  # what was there is left as it was


def test_a_server_that_speaks_no_http_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from http.client import BadStatusLine

    def babble(request: Any, timeout: float) -> None:
        raise BadStatusLine("\x16\x03\x01")

    monkeypatch.setattr(download, "urlopen", babble)
    with pytest.raises(MissingData):
        load("mnist", tmp_path)
