"""Every arm of the studies of sequences trains, on a made-up series and text."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import compose, slow_where

from dnnx.config.paths import CONF, options
from dnnx.train import train

STUDIES = [path.stem for path in sorted((CONF / "exp" / "sequences").glob("*.yaml"))]
LONG = {"jena", "time_machine", "time_machine_regularized"}
SMALL = {
    "net.hidden": "net.hidden=8", "data.train_limit": "data.train_limit=300", "seeds": "seeds=2",
    "trainer.max_epochs": "trainer.max_epochs=2",
}  # fmt: skip
WEEK = ["data.test_file=null", "data.blocks=1", "data.split=[0.6,0.2,0.2]", "data.sampling=1"]


def made_up(name: str, root: Path) -> list[str]:
    """Write the data of a study, and return the words that choose it."""
    file = root / "made_up"
    if name.startswith("time_machine"):
        file.write_text("".join(np.random.default_rng(0).choice(list("abcdef "), 1500)))
        return [f"data.file={file}", "data.batch_size=4", "data.steps=5", "data.eval_steps=20", "net.hidden=8"]
    columns = yaml.safe_load((CONF / "data" / "jena.yaml").read_text())["columns"]
    table = np.random.default_rng(0).normal(size=(800, len(columns))).cumsum(0)
    rows = [",".join(map(str, [hour, *row.round(2)])) for hour, row in enumerate(table)]
    file.write_text("\n".join([",".join(["time", *columns]), *rows]) + "\n")
    return [f"data.file={file}", *WEEK, "data.delay=3", "data.stride=4", "data.batch_size=8", "data.gaps=error"]


@pytest.mark.parametrize("name", slow_where(LONG, STUDIES))
def test_every_arm_trains(name: str, tmp_path: Path) -> None:
    assert name in options("exp")
    given = made_up(name, tmp_path)
    for arm, overrides in compose(f"+exp={name}").study.arms.items():
        own = [SMALL.get(word.partition("=")[0], word) if "[" not in word else word for word in overrides]
        cfg = compose(
            f"+exp={name}", "~callbacks.progress", *given, "seeds=2", "trainer.max_epochs=2", f"arm={arm}", *own
        )
        results = train(cfg, tmp_path / arm)
        assert results["epoch/last"] == ([None, None] if "baseline" in cfg and cfg.baseline else [2, 2])
