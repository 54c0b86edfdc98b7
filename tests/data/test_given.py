"""Arrays that are given from Python are kept in a file that is named by all of their content."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnnx.data.given import kept


def test_equal_bytes_of_another_shape_or_type_are_other_data(tmp_path: Path) -> None:
    x, y = np.zeros((6, 4), dtype=np.float32), np.array([0, 1, 0, 1, 0, 1])
    files = {kept((given, y), tmp_path) for given in (x, x.reshape(6, 1, 2, 2), x.view(np.int32))}
    assert len(files) == 3
    assert np.load(kept((x.reshape(6, 1, 2, 2), y), tmp_path))["x"].shape == (6, 1, 2, 2)


def test_equal_data_are_kept_once(tmp_path: Path) -> None:
    x, y = np.zeros((6, 4)), np.arange(6)
    assert kept((x, y), tmp_path) == kept((x.copy(), y.copy()), tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_file_that_was_not_written_whole_is_not_there(
    stop: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = np.zeros((6, 4)), np.arange(6)
    plain = np.lib.format.write_array

    def stops(file: Any, array: np.ndarray, **options: Any) -> None:
        if array is y:
            raise stop
        plain(file, array, **options)

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", stops)
        with pytest.raises(type(stop)):
            kept((x, y), tmp_path)
    assert not list(tmp_path.iterdir())
    assert np.load(kept((x, y), tmp_path))["y"].tolist() == [*range(6)]
