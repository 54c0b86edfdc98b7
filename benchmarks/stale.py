"""Results that are out of date: a study whose settings, arms, claims or results_version are others by now.

The pages say so. Data files that are others are found where they lie, by a test.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from dnnx.config.compose import compose
from dnnx.config.explain import flatten
from dnnx.config.paths import CONF
from dnnx.studies.claims import declared_verdicts

# Keys that choose where and how a study runs, not its numbers.
NOT_COMPARED = ("name", "arm", "study", "seeds", "paths", "resume", "shard", "jobs", "packages", "report", "replicas")
ASKED = ("metric", "arm", "than", "expect", "than_metric", "same")


def declared(name: str) -> dict[str, Any]:
    """Return everything that decides the numbers of a study, as conf/ says it now, ready for JSON."""
    config = compose("train", [f"+exp={name}"], [])
    plain: Any = OmegaConf.to_container(config, resolve=False)
    study: Any = OmegaConf.to_container(config.study, resolve=True)
    claims = [{key: claim[key] for key in ASKED if key in claim} for claim in declared_verdicts(config.study)]
    arms = {arm: list(map(str, overrides)) for arm, overrides in study["arms"].items()}
    found = {
        "results_version": study["results_version"],
        "settings": settings(plain),
        "arms": arms,
        "claims": claims,
        "axes": study["axes"] or {},
        "options": dict(_options(arms)),
    }
    return json.loads(json.dumps(found, default=str))


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as dotted keys, without those that do not decide the numbers."""
    flat = flatten({key: value for key, value in config.items() if key not in NOT_COMPARED})
    return {key: value for key, value in flat.items() if not isinstance(value, dict)}


def reasons(record: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each change that makes a result stale; [] for a fresh one.

    A key that is newer than the result has its default, which changes nothing.
    """
    then, lines = record["declared"], []
    if then["results_version"] != now["results_version"]:
        lines.append(f"results_version is {now['results_version']}, was {then['results_version']}")
    for part in ("settings", "options", "arms"):
        for key, value in then[part].items():
            if now[part].get(key) != value:
                told = f"{now[part][key]}, was {value}" if key in now[part] else "gone"
                lines.append(f"{'' if part == 'settings' else f'{part} '}{key} is {told}")
    lines += [f"arm {arm} is new" for arm in now["arms"] if arm not in then["arms"]]
    lines += [f"the {part} are others" for part in ("claims", "axes") if then[part] != now[part]]
    return lines


def other_files(record: Mapping[str, Any], folder: Path) -> list[str]:
    """Return a line for each data file of a result of which a folder has others of that name, but not this one."""
    lines = []
    for name, checksum in record["data"].get("files", {}).items():
        there = [_checksum(path) for path in folder.rglob(name)]
        if there and checksum not in there:
            lines.append(f"the data file {name} is another")
    return lines


@cache
def _checksum(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _options(arms: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield each option of conf/ that an arm chooses, such as optimizer=sgd, with a checksum of its content."""
    for word in sorted({word.lstrip("+") for words in arms.values() for word in words}):
        group, _, option = word.partition("=")
        path = CONF / group.replace(".", "/") / f"{option}.yaml"
        if path.is_file():
            content = json.dumps(yaml.safe_load(path.read_text()), sort_keys=True, default=str)
            yield word, sha256(content.encode()).hexdigest()[:16]
