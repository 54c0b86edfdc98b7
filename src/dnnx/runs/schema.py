"""Check the files of a run folder, which a stranger may have made. Each check raises ValueError with the fault.

Nothing in them is trusted: types, shapes and the range of numbers are all checked.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import yaml

from dnnx.basics.names import TAKEN, fault_of_name

LARGEST_YAML, LARGEST_JSON = 2**20, 2**27  # characters
DEEPEST_YAML = 50
HIGHEST_RATE = 1e12  # of a learning-rate search: the highest rate that can be typed, times the highest factor
VERDICT = {"ask", "metric", "arm", "than", "expect"}


def yaml_text(text: str) -> str:
    """Return `text` if it has no alias and is not too long: a few letters of aliases can expand to gigabytes."""
    _need(len(text) <= LARGEST_YAML, f"it is longer than {LARGEST_YAML:,} characters")
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        _need(depth <= DEEPEST_YAML, f"it is more than {DEEPEST_YAML} levels deep")
        _need(not isinstance(event, yaml.AliasEvent), "it has aliases")
    _need("${" not in text, "it has interpolations")
    return text


def require_small(text: str) -> None:
    """Raise ValueError for YAML whose aliases expand to too much, or that is nested too deep. Aliases are allowed."""
    sizes: dict[str, int] = {}  # nodes of each anchor, with its aliases expanded
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]  # anchor and size of each collection that has begun
    for event in yaml.parse(text):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            _need(len(open_nodes) <= DEEPEST_YAML, f"it is more than {DEEPEST_YAML} levels deep")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        above, total = open_nodes[-1]
        open_nodes[-1] = above, total + size
        _need(total + size <= LARGEST_YAML, f"it has more than {LARGEST_YAML:,} values when its aliases are expanded")


def mapping(found: Any) -> dict[str, Any]:
    _need(isinstance(found, dict), "it must hold a mapping")
    str(found).encode()  # raises for text that no file can hold
    return found


def results(found: Any) -> dict[str, Any]:
    seeds: Any = mapping(found).get("seeds")
    valid = _list_of(_is_seed, seeds) and bool(seeds) and len(set(seeds)) == len(seeds)
    _need(valid, "it must list its seeds, different whole numbers")
    _need(_mapping_of(_is_about, found.get("about", {})), "about must map metrics to unit and better")
    for metric, values in found.items():
        if metric == "about":
            continue
        expected = 1 if metric.startswith("ensemble/") else len(seeds)
        told = f"{metric} must list {expected} values, one per seed"
        _need(isinstance(values, list) and len(values) == expected, told)
        given = [value for value in values if value is not None]
        _need(all(map(_is_value, given)), f"{metric} must list numbers, or a table of numbers per seed")
    matrices = [matrix for matrix in found.get("test/confusion", []) if matrix is not None]
    sizes = {len(matrix) if isinstance(matrix, list) else 0 for matrix in matrices}
    square = all(_list_of(is_number, row) and {len(row)} == sizes for matrix in matrices for row in matrix or [None])
    _need(len(sizes) <= 1 and 0 not in sizes and square, "test/confusion must list matrices of one size")
    return found


def data(found: Any) -> dict[str, Any]:
    for key, value in mapping(found).items():
        if (valid := DATA.get(key)) is not None:
            _need(valid(value), f"{key} is not in the form that a run writes")
    return found


def preprocessing(found: Any) -> dict[str, Any]:
    """Return the checked content of preprocessing.json; the arguments of its reader are checked where it is built."""
    facts = mapping(found)
    needed = {"reader", "arguments", "dtype", "per_seed", "scaled", "target", "target_shape"}
    _need(set(facts) == needed, f"it must hold {', '.join(sorted(needed))}")
    _need(isinstance(facts["arguments"], dict), "arguments must be a mapping")
    _need(facts["dtype"] in ("uint8", "int64", "float32"), "dtype must be uint8, int64 or float32")
    _need(all(type(facts[key]) is bool for key in ("per_seed", "scaled")), "per_seed and scaled must be true or false")
    _need(_is_text(facts["target"]) and _is_text(facts["reader"]), "reader and target must be text")
    _need(_list_of(_is_seed, facts["target_shape"]), "target_shape must list whole numbers")
    return facts


def study(found: Any) -> dict[str, Any]:
    """Return the checked content of study.json. Only the arms are required."""
    declared = mapping(found)
    arms = declared.get("arms")
    _need(_list_of(_is_text, arms), f"arms={arms}: must list the run folders beside it")
    for arm in arms or []:
        fault = fault_of_name(arm, TAKEN)
        _need(not fault, f"the arm {str(arm)[:80]!r}: {fault}")
    for key in ("name", "question", "reference"):
        _need(declared.get(key) is None or _is_text(declared[key]), f"{key} must be text")
    for verdict in declared.get("verdicts") or []:
        _need(
            _is_verdict(verdict),
            f"verdict {verdict}: must have {', '.join(sorted(VERDICT))}, with expect higher or lower",
        )
    for key in ("axes", "config_dir", "overrides"):
        _need(_list_of(_is_text, declared.get(key) or []), f"{key} must list words")
    told = "published must map arms to lists of numbers"
    _need(_mapping_of(partial(_list_of, is_finite), declared.get("published") or {}), told)
    _need(_mapping_of(_is_seed, declared.get("epochs") or {}), "epochs must map arms to whole numbers")
    told = "looks must have increasing numbers of seeds, `planned`, and a look `taken` at each of the first of them"
    _need(not declared.get("looks") or _is_looks(declared["looks"]), told)
    return declared


def predictions(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked NumPy arrays of predictions; docs/run-folder.md gives their shapes."""
    found = dict(arrays)
    if {"labels", "probabilities"} & set(found):
        labels, p = _array(found, "labels", 1, "iu"), _array(found, "probabilities", 3, "f")
        _need(p.size > 0 and p.shape[1] == len(labels), f"probabilities {p.shape} are not of {len(labels)} labels")
        _need(labels.min() >= 0 and labels.max() < p.shape[2], "labels are not of its classes")
        for kind in ("hardest", "sample"):
            if {f"{kind}_index", f"{kind}_images"} & set(found):
                index, images = _array(found, f"{kind}_index", 1, "iu"), _array(found, f"{kind}_images", 4, "u")
                _need(len(index) == len(images) and images.size > 0, f"{kind}_images are not as many as {kind}_index")
                _need(images.shape[3] in (1, 3) and images.itemsize == 1, f"{kind}_images are no images")
                _need(index.min() >= 0 and index.max() < len(labels), f"{kind}_index is beyond the test set")
    if {"embedded", "embedded_labels"} & set(found):
        same = len(_array(found, "embedded", 2, "f")) == len(_array(found, "embedded_labels", 1, "iu"))
        _need(same, "embedded are not as many as embedded_labels")
    return found


def is_number(value: Any) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _array(arrays: Mapping[str, Any], name: str, dims: int, kinds: str) -> Any:
    array = arrays.get(name)
    valid = array is not None and array.ndim == dims and array.dtype.kind in kinds
    _need(valid, f"{name} is not in the form that a run writes")
    return array


def _is_about(entry: Any) -> bool:
    """Return whether an entry of `about` is {"unit": text, "better": "higher", "lower" or null[, "words", "note"]}."""
    if not isinstance(entry, dict) or not {"unit", "better"} <= set(entry) <= {"unit", "better", "words", "note"}:
        return False
    return entry["better"] in ("higher", "lower", None) and all(
        _is_text(entry.get(key, "")) for key in ("unit", "words", "note")
    )


def _is_verdict(verdict: Any) -> bool:
    if not isinstance(verdict, dict) or set(verdict) - {"than_metric", "same", "later"} != VERDICT:
        return False
    texts = [value for key, value in verdict.items() if key not in ("same", "later")]
    is_margin = is_finite(verdict.get("same", 1)) and verdict.get("same", 1) > 0
    is_later = type(verdict.get("later", True)) is bool
    return _list_of(_is_text, texts) and verdict["expect"] in ("higher", "lower") and is_margin and is_later


def _is_looks(looks: Any) -> bool:
    """Return whether `looks` is {"planned": [n, ...], "taken": [{"seeds": [n seeds], "arms": [names]}, ...]}."""
    if not isinstance(looks, dict) or set(looks) != {"planned", "taken"} or not isinstance(looks["taken"], list):
        return False
    planned, taken = looks["planned"], looks["taken"]
    if not _list_of(_is_seed, planned) or not planned or planned[0] < 2 or planned != sorted(set(planned)):
        return False
    known = all(isinstance(look, dict) and set(look) == {"seeds", "arms"} for look in taken)
    if not known or len(taken) > len(planned):
        return False
    return all(
        _list_of(_is_seed, look["seeds"]) and len(set(look["seeds"])) == n and _list_of(_is_text, look["arms"])
        for n, look in zip(planned, taken, strict=False)
    )


def earlier_results(found: Any) -> list[list[int]]:
    """Return the checked content of earlier_results.json: the seeds of each result before seeds were added."""
    valid = isinstance(found, list) and all(_list_of(_is_seed, seeds) for seeds in found)
    _need(valid, "it must list the seeds of each earlier result")
    return found


def _is_value(value: Any) -> bool:
    """Return whether a value is a number, a list of numbers or a matrix of numbers."""
    return is_number(value) or _list_of(is_number, value) or _list_of(lambda row: _list_of(is_number, row), value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _list_of(valid: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, list) and all(map(valid, value))


def _mapping_of(valid: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, dict) and all(map(valid, value.values()))


def _need(valid: bool, told: str) -> None:
    if not valid:
        raise ValueError(told)


DATA: dict[str, Callable[[Any], bool]] = {
    "source": _is_text,
    "note": _is_text,
    "warning": lambda value: value is None or _is_text(value),
    "in_shape": lambda value: _list_of(_is_seed, value),
    "class_names": lambda value: _list_of(_is_text, value),
    "sizes": lambda value: _mapping_of(_is_seed, value),
    "files": lambda value: _mapping_of(_is_text, value),
}
