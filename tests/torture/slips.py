"""One wrong word more on the command line of a command that would otherwise end well."""

import random
from functools import cache
from typing import Any

from commands import compose
from omegaconf import OmegaConf
from torture.careless import VALUES
from torture.disturbances import Disturbance
from torture.scenes import Scene

from dnnx.config.explain import flatten
from dnnx.config.paths import CONF

OPTIONS = (
    "--out",
    "--reference",
    "--force",
    "--refrence",
    "nowhere",
    "",
    "--out=done",
    "--reference=x",
    "log",
    "done/..",
)
WORDS = ("=", "seeds", "seeds=", "+", "~net", "++x.y=1", "net.hiden=[3]", "--confg", "resume=nowhere", "[", "$x", "é=1")


def slip(scene: Scene, draw: random.Random) -> Disturbance:
    """One key with a value that it cannot have, or a word that is none."""
    word = draw.choice(OPTIONS)
    if scene.command.module != "compare":
        word = draw.choice(WORDS) if draw.random() < 0.1 else f"{draw.choice(keys(scene))}={draw.choice(VALUES)}"
    return Disturbance(f"{word!r} is typed too", {0, 2}, words=(word,), changes_input=True)


def keys(scene: Scene) -> list[str]:
    """Return the keys of a command."""
    name = scene.command.module.rpartition(".")[2]
    return list(_keys(name))


@cache
def _keys(name: str) -> tuple[str, ...]:
    if name in ("train", "tune"):
        config: Any = compose("+exp=dense5", name=name)
    else:
        config = OmegaConf.load(CONF / f"{name}.yaml")
    plain: Any = OmegaConf.to_container(config)
    return tuple(key for key in flatten(plain) if not key.startswith(("defaults", "hydra")))
