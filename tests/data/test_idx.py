"""IDX files: a whole file is read, any other is one UserError that names file, expectation and finding."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnnx.basics.errors import UserError
from dnnx.data.read_idx import LIMIT, read_idx

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = struct.pack(">4I", 0x0803, 2, 3, 4) + IMAGES.tobytes()
PACKED = gzip.compress(WHOLE)


def header(*shape: int) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", 0x0800 | len(shape), *shape)


def write(folder: Path, contents: bytes, name: str = "images") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(contents) if name.endswith(".gz") else contents)
    return path


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_a_whole_file_is_read_plain_and_gz(tmp_path: Path, name: str) -> None:
    array = read_idx(write(tmp_path, WHOLE, name), dims=3)
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, IMAGES)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize(
    ("contents", "expected", "found"),
    [
        (WHOLE[:-5], "expected 24 bytes for (2, 3, 4)", "found 19 bytes"),
        (WHOLE[:16], "expected 24 bytes", "found 0 bytes"),
        (WHOLE + b"!", "expected 24 bytes", "found more"),
        (WHOLE[:9], "expected a header of 16 bytes", "found 9"),
        (b"", "expected a header of 16 bytes", "found 0"),
        (header(2, 3) + bytes(8), "expected the IDX magic number 0x00000803", "found 0x00000802"),
        (b"<html><body>not here</body>", "0x00000803", "found 0x3c68746d"),
        (header(2**32 - 1, 2**32 - 1, 2**32 - 1), f"expected 1 to {LIMIT} bytes", "(4294967295, 4294967295"),
        (header(0, 3, 4), f"expected 1 to {LIMIT} bytes", "(0, 3, 4)"),
    ],
    ids=[
        "short",
        "no data",
        "a byte too many",
        "half a header",
        "empty",
        "two dimensions",
        "a web page",
        "an absurd header",
        "no images",
    ],
)
def test_a_broken_file_is_one_line_with_file_expected_and_found(
    tmp_path: Path, name: str, contents: bytes, expected: str, found: str
) -> None:
    path = write(tmp_path, contents, name)
    with pytest.raises(UserError) as error:
        read_idx(path, dims=3)
    message = str(error.value)
    assert all(part in message for part in (str(path), expected, found)), message
    assert "\n" not in message


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param(b"", id="empty"),
        pytest.param(WHOLE, id="not gzip"),
        pytest.param(PACKED[:-9], id="cut"),
        pytest.param(PACKED[:10] + b"\xff" * 40, id="damaged"),
        pytest.param(PACKED[:-8] + bytes(8), id="wrong checksum"),
        pytest.param(b"\x1f\x8b\x08", id="three bytes"),
    ],
)
def test_an_invalid_truncated_or_damaged_gz_is_a_user_error(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(contents)
    with pytest.raises(UserError, match=r"images\.gz: .*(cannot be read|header|found)"):
        read_idx(path, dims=3)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("shape", [(LIMIT // 784, 28, 28), (2**32 - 1, 28, 28)])
def test_a_header_that_claims_too_much_takes_no_memory(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    path = write(tmp_path, header(*shape) + bytes(1000), name)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="expected"):
            read_idx(path, dims=3)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    path = write(tmp_path, header(2, 3, 4) + bytes(64 * 2**20), "images.gz")
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="found more"):
            read_idx(path, dims=3)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@given(contents=st.binary(max_size=80), dims=st.sampled_from([1, 3]), kind=st.sampled_from(["plain", "gz", "raw.gz"]))
@example(WHOLE, 3, "plain")
@example(WHOLE, 3, "gz")
@example(header(0xFFFFFFFF), 1, "gz")
def test_any_bytes_are_an_array_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, contents: bytes, dims: int, kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / ("any" if kind == "plain" else "any.gz")
    path.write_bytes(gzip.compress(contents) if kind == "gz" else contents)
    _array_or_user_error(path, dims)


@given(shape=st.lists(st.integers(0, 4), min_size=3, max_size=3), cut=st.integers(-3, 3))
def test_a_file_longer_or_shorter_than_its_header_is_refused(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], cut: int
) -> None:
    size = int(np.prod(shape))
    path = write(tmp_path_factory.getbasetemp(), header(*shape) + bytes(max(0, size + cut)))
    array = _array_or_user_error(path, 3)
    assert (array is not None) == (size > 0 and cut == 0)


def _array_or_user_error(path: Path, dims: int) -> np.ndarray | None:
    try:
        array = read_idx(path, dims)
    except UserError:
        return None
    assert array.ndim == dims
    return array


def test_a_folder_in_the_place_of_a_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_idx(tmp_path, dims=3)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_no_permission_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, WHOLE, name)
    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(gzip, "open", denied)
    with pytest.raises(UserError, match=rf"{name}: no permission to read it"):
        read_idx(path, dims=3)
