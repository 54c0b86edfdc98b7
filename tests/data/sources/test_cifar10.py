"""CIFAR-10: the same images from every layout, validation by rule, each fault one line, decoded once and kept whole."""

import errno
import gzip
import hashlib
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from commands import python
from made_up_cifar10 import (
    NUM_VAL,
    PER_CLASS,
    encode,
    expect_few,
    image_files,
    official_files,
    packed,
    pixels,
    unpacked,
)
from splits import shared_images, splits
from torchvision.datasets import CIFAR10

from dnnx.basics.errors import UserError
from dnnx.data.sources import MissingData, Source, cifar10, image_folder, load

DOG = "train/dog/0003.png"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "real_cifar10" not in request.fixturenames:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        expect_few(monkeypatch)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images decoded so far."""
    names, decode = [], image_folder._decode

    def counted(name: str, contents: bytes) -> np.ndarray:
        names.append(name)
        return decode(name, contents)

    monkeypatch.setattr(image_folder, "_decode", counted)
    return names


def assert_same(one: Source, other: Source) -> None:
    for (images, labels), (again, labels_again) in zip(splits(one).values(), splits(other).values(), strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, labels_again)
    assert (one.note, one.files, one.class_names) == (other.note, other.files, other.class_names)


def whole_files(folder: Path) -> list[str]:
    """Everything in a folder, hidden files included."""
    return sorted(path.name for path in folder.rglob("*"))


# --- image files


@pytest.mark.parametrize("place", [packed, unpacked])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_image_files_are_read_packed_and_unpacked(tmp_path: Path, place: Callable[..., Path], kind: str) -> None:
    files = image_files(kind)
    place(tmp_path, files)
    source = load("cifar10", tmp_path)
    assert (source.source, source.class_names, source.num_val) == ("cifar10", cifar10.CLASSES, NUM_VAL)
    assert source.train_images.shape == (60, 3, 32, 32)
    assert source.test_images.shape == (20, 3, 32, 32)
    assert ("JPEG re-encoded" in source.note) == (kind == "JPEG")
    assert "validation" in source.note
    for split, images, labels in (
        ("train", source.train_images, source.train_labels),
        ("test", source.test_images, source.test_labels),
    ):
        expected = [
            (label, f"{split}/{name}/{i:04}.{'png' if kind == 'PNG' else 'jpg'}")
            for i in range(PER_CLASS[split])
            for label, name in enumerate(cifar10.CLASSES)
        ]
        assert labels.tolist() == [label for label, _ in expected]
        np.testing.assert_array_equal(images, [pixels(files[name]) for _, name in expected])


def test_packed_and_unpacked_in_any_order_are_the_same_data(tmp_path: Path) -> None:
    files = image_files()
    packed(tmp_path / "a", files)
    packed(tmp_path / "b", dict(reversed(files.items())))
    unpacked(tmp_path / "c", files)
    for other in "bc":
        assert_same(load("cifar10", tmp_path / "a"), load("cifar10", tmp_path / other))
    packed(tmp_path / "d", files | {DOG: files["train/cat/0000.png"]})
    assert load("cifar10", tmp_path / "d").files != load("cifar10", tmp_path / "a").files


def test_validation_is_the_first_file_names_of_every_class(tmp_path: Path) -> None:
    files = image_files()
    packed(tmp_path, files)
    source = load("cifar10", tmp_path)
    images, labels = splits(source)["val"]
    assert np.bincount(labels).tolist() == [NUM_VAL // 10] * 10
    first = {pixels(files[f"train/{label}/{i:04}.png"]).tobytes() for label in cifar10.CLASSES for i in range(2)}
    assert {image.tobytes() for image in images} == first
    assert shared_images(source) == set()


def test_other_files_beside_the_images_are_ignored(tmp_path: Path) -> None:
    others = {"labels.txt": b"x", "train/._dog": b"x", "train/dog/._0003.png": b"x", "train/dog/notes": b"x" * 10**6}
    packed(tmp_path / "a", image_files())
    packed(tmp_path / "b", image_files() | others)
    assert_same(load("cifar10", tmp_path / "a"), load("cifar10", tmp_path / "b"))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be of that size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")


def grey(n: int) -> np.ndarray:
    return np.zeros((n, n), np.uint8)


@pytest.mark.parametrize("place", [packed, unpacked])
@pytest.mark.parametrize(
    ("name", "contents", "told"),
    [
        (DOG, encode(np.zeros((28, 32, 3), np.uint8)), f"{DOG}: expected 32 x 32 pixels in RGB, found 32 x 28 in RGB"),
        (DOG, encode(grey(32)), f"{DOG}: expected 32 x 32 pixels in RGB, found 32 x 32 in L"),
        (DOG, encode(np.zeros((32, 32, 4), np.uint8)), f"{DOG}: .* found 32 x 32 in RGBA"),
        (DOG, png_header(12_000, 12_000), f"{DOG}: .* found 12000 x 12000 in RGB"),
        (DOG, png_header(60_000, 60_000), rf"{DOG}: not readable as PNG or JPEG \(.*3600000000 pixels"),
        (DOG, b"", f"{DOG}: not readable as PNG or JPEG"),
        (DOG, b"GIF89a" + bytes(100), f"{DOG}: not readable"),
        (DOG, image_files()[DOG][:-300], f"{DOG}: not readable"),
        (DOG, image_files()[DOG] + bytes(image_folder.LIMIT), f"{DOG} has 265,.* bytes, expected at most 262,144"),
        ("train/lion/0000.png", image_files()[DOG], "train/lion/ is none of the 10 classes airplane, .*, truck"),
        ("train/dog/0006.png", image_files()[DOG], "expected 6 images in train/dog/, found more"),
    ],
    ids=[
        "size", "grey", "alpha", "large", "bomb", "empty", "another format", "cut", "too many bytes", "another class",
        "one too many",
    ],
)  # fmt: skip
def test_a_bad_image_is_named_and_nothing_is_kept(
    tmp_path: Path, place: Callable[..., Path], name: str, contents: bytes, told: str
) -> None:
    path = place(tmp_path, image_files() | {name: contents})
    before = whole_files(tmp_path)
    with pytest.raises(UserError, match=told) as error:
        load("cifar10", tmp_path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert whole_files(tmp_path) == before


@pytest.mark.parametrize("place", [packed, unpacked])
@pytest.mark.parametrize(
    ("absent", "told"),
    [
        ("test/truck/", "expected 2 images in test/truck/, found none"),
        ("train/cat/0005", "expected 6 images in train/cat/, found 5"),
        ("train/", "expected 6 images in train/airplane/, found none"),
        ("", "expected 6 images in train/airplane/, found none"),
    ],
)
def test_missing_images_are_told_by_their_folder(
    tmp_path: Path, place: Callable[..., Path], absent: str, told: str
) -> None:
    files = {name: contents for name, contents in image_files().items() if not name.startswith(absent)}
    path = place(tmp_path, files | {"readme": b""})
    before = whole_files(tmp_path)
    with pytest.raises(UserError, match=f"{path}: {told}"):
        load("cifar10", tmp_path)
    assert whole_files(tmp_path) == before


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda packed: packed[: len(packed) // 2], id="cut in the middle"),
        pytest.param(lambda packed: packed[:-4], id="cut at the end"),
        pytest.param(lambda packed: b"", id="empty"),
        pytest.param(lambda packed: gzip.decompress(packed), id="not gzip"),
        pytest.param(lambda packed: gzip.compress(b"no tar" * 1000), id="not tar"),
        pytest.param(lambda packed: packed[:-8] + bytes(8), id="wrong checksum"),
    ],
)
def test_a_truncated_or_damaged_archive_is_told_and_nothing_is_kept(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = packed(tmp_path, image_files())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=rf"{path}: .*truncated or damaged.*; copy or download it again") as error:
        load("cifar10", tmp_path)
    assert "\n" not in str(error.value)
    assert whole_files(tmp_path) == ["cifar10.tgz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_link_or_device_in_the_place_of_an_image_is_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "cifar10.tgz", "w:gz") as tar:
        member = tarfile.TarInfo(f"cifar10/{DOG}")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(UserError, match=rf"{DOG} is no regular file"):
        load("cifar10", tmp_path)


def test_an_image_that_an_archive_has_twice_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, image_files())
    with tarfile.open(path) as tar, tarfile.open(tmp_path / "twice.tgz", "w:gz") as twice:
        names = tar.getnames()
        for name in [names[0], *names]:
            twice.addfile(tar.getmember(name), tar.extractfile(name))
    (tmp_path / "twice.tgz").rename(path)
    with pytest.raises(UserError, match=rf"{path}: {names[0].partition('/')[2]} is there twice"):
        load("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["a folder without permission", "a link to nowhere"])
def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = unpacked(tmp_path, image_files())
    if name == "a link to nowhere":
        (folder / "train" / "dog" / "link.png").symlink_to(tmp_path / "nowhere")
        told = r"link\.png: cannot be read \(No such file"
    else:

        def denied(path: Path, *_: object) -> bool:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "exists", denied)
        told = r"cannot be read \(Permission denied\); fix that, or set paths\.data"
    with pytest.raises(UserError, match=told):
        load("cifar10", tmp_path)


def test_an_archive_is_never_unpacked(tmp_path: Path) -> None:
    packed(tmp_path / "in" / "data", image_files() | {"../../../outside": b"!", "/outside": b"!"})
    load("cifar10", tmp_path / "in" / "data")
    assert sorted(os.listdir(tmp_path / "in" / "data")) == ["cifar10.tgz", "cifar10.tgz.decoded.safetensors"]
    assert sorted(os.listdir(tmp_path)) == ["in"]


# --- the official files


@pytest.mark.parametrize(
    "place",
    [
        lambda root, files: unpacked(root, files, "cifar-10-batches-py"),
        lambda root, files: packed(root, files, CIFAR10.filename, "cifar-10-batches-py"),
    ],
    ids=["unpacked", "packed"],
)
class TestOfficial:
    def test_they_are_read_in_their_order(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[..., Path]
    ) -> None:
        files = official_files(monkeypatch)
        folder = unpacked(tmp_path / "a", files, "cifar-10-batches-py")
        monkeypatch.setattr(CIFAR10, "_load_meta", lambda self: None)
        train, test = CIFAR10(folder.parent, train=True), CIFAR10(folder.parent, train=False)
        place(tmp_path / "b", files)
        source = load("cifar10", tmp_path / "b")
        np.testing.assert_array_equal(source.train_images.transpose(0, 2, 3, 1), train.data)
        np.testing.assert_array_equal(source.test_images.transpose(0, 2, 3, 1), test.data)
        assert source.train_labels.tolist() == train.targets
        assert source.test_labels.tolist() == test.targets
        assert source.files == {name: hashlib.sha256(contents).hexdigest() for name, contents in files.items()}
        assert (source.num_val, source.note) == (NUM_VAL, "CIFAR-10, official files")

    def test_a_wrong_checksum_is_told_before_anything_is_unpickled(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[..., Path]
    ) -> None:
        files = official_files(monkeypatch)
        path = place(tmp_path, files | {"data_batch_2": files["data_batch_1"]})
        monkeypatch.setattr(cifar10, "pickle", None)
        before = whole_files(tmp_path)
        with pytest.raises(UserError, match=rf"{path}: data_batch_2 has the MD5 checksum .*, not .*"):
            load("cifar10", tmp_path)
        assert whole_files(tmp_path) == before

    def test_a_missing_file_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[..., Path]
    ) -> None:
        files = official_files(monkeypatch)
        del files["test_batch"]
        with pytest.raises(UserError, match=rf"{place(tmp_path, files)}: test_batch is missing"):
            load("cifar10", tmp_path)


def test_the_official_files_come_before_image_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path, image_files())
    assert "official" not in load("cifar10", tmp_path).note
    packed(tmp_path, official_files(monkeypatch), CIFAR10.filename, "cifar-10-batches-py")
    assert "official" in load("cifar10", tmp_path).note


def test_without_files_and_network_nothing_stands_in(tmp_path: Path, no_network: list[str]) -> None:
    with pytest.raises(MissingData, match=r"Connection refused.*cifar10\.tgz there.*paths\.data.*data\.source=synth"):
        load("cifar10", tmp_path / "data")
    assert no_network == [CIFAR10.url]
    assert not (tmp_path / "data").exists()


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]) -> Path:
    """The official archive on a server of this machine."""
    archive = packed(tmp_path / "server", official_files(monkeypatch), CIFAR10.filename, "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "url", serve(archive.parent) + archive.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


def test_the_official_archive_is_downloaded_with_progress(
    tmp_path: Path, online: Path, capfd: pytest.CaptureFixture
) -> None:
    source = load("cifar10", tmp_path / "data")
    assert source.note == "CIFAR-10, official files"
    assert "100%" in capfd.readouterr().err  # torchvision's progress
    assert (tmp_path / "data" / CIFAR10.filename).read_bytes() == online.read_bytes()
    online.unlink()
    assert_same(load("cifar10", tmp_path / "data"), source)


def test_a_download_with_a_wrong_checksum_leaves_nothing(tmp_path: Path, online: Path) -> None:
    online.write_bytes(b"something else")
    with pytest.raises(MissingData, match=r"could not be downloaded .*corrupted"):
        load("cifar10", tmp_path / "data")
    assert os.listdir(tmp_path / "data") == []


# --- decoded once


def test_the_second_start_decodes_nothing(tmp_path: Path, decodings: list[str]) -> None:
    packed(tmp_path, image_files())
    first = load("cifar10", tmp_path)
    assert len(decodings) == 80
    again = load("cifar10", tmp_path)
    assert len(decodings) == 80
    assert_same(first, again)
    assert not again.train_images.flags.owndata  # mapped


@pytest.mark.parametrize("place", [packed, unpacked])
def test_a_changed_source_is_decoded_again(tmp_path: Path, decodings: list[str], place: Callable[..., Path]) -> None:
    files = image_files()
    place(tmp_path, files)
    first = load("cifar10", tmp_path)
    place(tmp_path, files | {DOG: files["train/dog/0004.png"]})
    second = load("cifar10", tmp_path)
    assert len(decodings) == 160
    assert second.files != first.files
    dog = 10 * 3 + cifar10.CLASSES.index("dog")
    np.testing.assert_array_equal(second.train_images[dog], pixels(files["train/dog/0004.png"]))


@pytest.mark.parametrize("left", [0, 7, 1000, -1])
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, decodings: list[str], left: int) -> None:
    packed(tmp_path, image_files())
    first = load("cifar10", tmp_path)
    cache = tmp_path / "cifar10.tgz.decoded.safetensors"
    whole = cache.read_bytes()
    replaced = tmp_path / "cut"
    replaced.write_bytes(whole[:left])
    replaced.rename(cache)
    assert_same(load("cifar10", tmp_path), first)
    assert len(decodings) == 160
    assert cache.read_bytes() == whole


def test_a_read_only_folder_stays_as_it_is_and_the_users_cache_is_used(tmp_path: Path, decodings: list[str]) -> None:
    packed(tmp_path / "data", image_files())
    (tmp_path / "data").chmod(0o555)
    try:
        first = load("cifar10", tmp_path / "data")
        assert_same(load("cifar10", tmp_path / "data"), first)
        assert len(decodings) == 80
        assert os.listdir(tmp_path / "data") == ["cifar10.tgz"]
        assert [path.parent.name for path in (tmp_path / "xdg").rglob("*.safetensors")] == ["dnnx"]
    finally:
        (tmp_path / "data").chmod(0o755)


def test_two_read_only_folders_do_not_share_a_cache(tmp_path: Path) -> None:
    files = image_files()
    packed(tmp_path / "a", files)
    packed(tmp_path / "b", files | {DOG: files["train/dog/0004.png"]})
    for folder in "ab":
        (tmp_path / folder).chmod(0o555)
    try:
        assert load("cifar10", tmp_path / "a").files != load("cifar10", tmp_path / "b").files
        assert len(list((tmp_path / "xdg").rglob("*.safetensors"))) == 2
    finally:
        for folder in "ab":
            (tmp_path / folder).chmod(0o755)


@pytest.mark.parametrize("written", [0, 1000])
def test_a_full_disk_is_one_line_and_leaves_no_half_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    packed(tmp_path, image_files())

    def full(path: Path, contents: bytes) -> None:
        path.open("wb").write(contents[:written])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"decoded\.safetensors: .*No space left on device.*free some space") as error:
        load("cifar10", tmp_path)
    assert "\n" not in str(error.value)
    assert whole_files(tmp_path) == ["cifar10.tgz"]


def test_ctrl_c_while_decoding_leaves_no_half_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path, image_files())

    def interrupted(name: str, contents: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(image_folder, "_decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load("cifar10", tmp_path)
    assert whole_files(tmp_path) == ["cifar10.tgz"]


def test_processes_that_start_at_once_get_the_same_whole_cache(tmp_path: Path) -> None:
    """Each waits, with everything decoded, until the other has decoded too; then both write."""
    packed(tmp_path / "data", image_files())
    code = f"""
import hashlib, sys, time
from pathlib import Path
from dnnx.data.sources import cache, cifar10, load
cifar10.PER_CLASS, cifar10.NUM_VAL = {PER_CLASS}, {NUM_VAL}
write = cache._write
def write_together(source, path, stamp):
    Path(sys.argv[1] + ".decoded").touch()
    while not all(Path(name + ".decoded").exists() for name in "ab"):
        time.sleep(0.01)
    write(source, path, stamp)
cache._write = write_together
print(hashlib.sha256(load("cifar10", Path("data")).train_images.tobytes()).hexdigest())
"""
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda name: python(f"import sys; sys.argv = ['', {name!r}]\n{code}", tmp_path), "ab"))
    assert [run.returncode for run in runs] == [0, 0], runs
    here = hashlib.sha256(load("cifar10", tmp_path / "data").train_images.tobytes()).hexdigest()
    assert [run.stdout.split()[-1] for run in runs] == [here, here]
    assert sorted(os.listdir(tmp_path / "data")) == ["cifar10.tgz", "cifar10.tgz.decoded.safetensors"]


# --- the real ones


def test_the_real_archive_is_whole_and_balanced(real_cifar10: Path, decodings: list[str]) -> None:
    source = load("cifar10", real_cifar10)
    assert {name: np.bincount(labels).tolist() for name, (_, labels) in splits(source).items()} == {
        "train": [4500] * 10,
        "val": [500] * 10,
        "test": [1000] * 10,
    }
    decodings.clear()
    assert_same(load("cifar10", real_cifar10), source)
    assert decodings == []
