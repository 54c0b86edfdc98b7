"""Settings as Hydra overrides: those of a trial, and those of a best.yaml."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from dnnx.basics.errors import require, shown
from dnnx.config.overrides import quoted
from dnnx.config.trust import limit, require_none_in_files, typed_packages
from dnnx.runs.files import read_yaml


def as_overrides(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as overrides.

    A key becomes `++optimizer.lr=0.001`, whether it is new to the config or not. A group becomes `optimizer='sgd'`.
    """
    return [f"{'++' if '.' in key else ''}{key}={in_grammar(value)}" for key, value in settings.items()]


def read_params(path: str | Path, typed: Iterable[str]) -> list[str]:
    """Return the settings of a best.yaml as overrides, without keys among the overrides `typed`."""
    advice = "give a best.yaml that dnnx.tune wrote, such as params=outputs/tune/dense5/best.yaml"
    found = isinstance(path, str | Path) and Path(path).is_file()
    require(found, "params", shown(path), f"there is no such file; {advice}")
    settings = OmegaConf.to_container(read_yaml(Path(path), f"params={path}"))
    valid = isinstance(settings, dict) and settings and not any(isinstance(v, dict) for v in settings.values())
    plain = valid and settings and all(re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", str(key), re.ASCII) for key in settings)
    require(bool(plain), "params", path, f"it must map keys such as optimizer.lr to values; {advice}")
    assert isinstance(settings, dict)
    of_hydra = any(str(key).startswith("hydra") for key in settings)
    require(not of_hydra, "params", path, f"it must not set keys of Hydra; {advice}")
    require_none_in_files(map(str, settings))
    limit(_nested(settings), typed_packages(list(typed)))
    given = {override.key_or_group for override in OverridesParser.create().parse_overrides(list(typed))}
    return as_overrides({str(key): value for key, value in settings.items() if key not in given})


def in_grammar(value: Any) -> str:
    """Return a value in Hydra's grammar: text in quotes, so that no letter of it is parsed.

    >>> in_grammar([1e-5, None, {"file": "it's"}])
    "[1e-05, null, {file: 'it\\\\'s'}]"
    """
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(in_grammar, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {in_grammar(one)}' for key, one in value.items())}}}"
    return str(value) if isinstance(value, float) else json.dumps(value)  # nan and inf have other names in JSON


def _nested(settings: Mapping[Any, Any]) -> dict[str, Any]:
    """Return `{"net.width": 3}` as `{"net": {"width": 3}}`; the option of a group beside its keys has the name ""."""
    nested: dict[str, Any] = {}
    for key, value in sorted(settings.items(), key=lambda item: str(item[0]).count(".")):
        *above, last = str(key).split(".")
        place = nested
        for name in above:
            if not isinstance(place.get(name), dict):
                place[name] = {"": place[name]} if name in place else {}
            place = place[name]
        place[last] = value
    return nested
