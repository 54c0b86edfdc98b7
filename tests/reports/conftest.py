"""Fixtures of reports: one small study of made-up runs, and reports that draw no figures."""

from pathlib import Path
from typing import Any

import pytest
from made_up_runs import write_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two arms of five seeds at outputs/made_up/<time>; bn is one point better in every seed, give or take 0.1."""
    plain = [0.970, 0.972, 0.968, 0.971, 0.969]
    data = {"sizes": {"train": 1000, "val": 100, "test": 10000}}
    arms: dict[str, dict[str, Any]] = {
        "plain": {"accuracy": plain, "data": data},
        "bn": {"data": data, "accuracy": [0.981, 0.981, 0.978, 0.982, 0.979], "noise": 1, "speed": 0.6},
    }
    return write_study(tmp_path / "outputs/made_up/2026-01-02_03-04-05", arms)
