"""Translate older run folders: names and keys of earlier versions, and their names of today."""

from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf

# Classes of earlier versions -> their path of today.
MOVED = {
    "dnnx.callbacks.": "dnnx.training.callbacks.",
    "dnnx.schedules.": "dnnx.optim.schedules.",
    "dnnx.ftrl.": "dnnx.optim.ftrl.",
    "dnnx.fused_adam.": "dnnx.optim.fused_adam.",
}

# Keys of the former group `module` -> technique and argument of today.
TECHNIQUES = {
    "l1": "penalty.l1", "l2": "penalty.l2", "max_norm": "max_norm.value", "clip_norm": "clipping.norm",
    "clip_value": "clipping.value", "label_smoothing": "label_smoothing.share", "sparsity": "pruning.sparsity",
    "prune_below": "pruning.below", "prune_from": "pruning.from_epoch", "prune_until": "pruning.until_epoch",
    **{name: f"pretrained.{name}" for name in ("part", "fresh", "dropped", "frozen", "cached", "backbone")},
}  # fmt: skip
CLASSES = {
    "penalty": "Penalty", "max_norm": "MaxNorm", "clipping": "Clipping", "label_smoothing": "LabelSmoothing",
    "pruning": "Pruning", "pretrained": "Pretrained",
}  # fmt: skip
NETS = {
    "Classifier": "dnnx.nets.dense.DenseNet",
    "Transfer": "dnnx.nets.dense.DenseNet",
    "Pairs": "dnnx.nets.twin_tower.TwinTower",
    "Autoencoder": "dnnx.nets.autoencoder.Autoencoder",
}
TASKS = {
    "Pairs": "dnnx.tasks.pairs.Pairs",
    "Autoencoder": "dnnx.tasks.reconstruction.Reconstruction",
}
DATA: dict[str, tuple[str, dict[str, Any]]] = {  # former target -> today's target and the arguments that it needs
    "dnnx.data.images.ImageData": ("dnnx.data.digits.Digits", {}),
    "dnnx.data.mnist04.MNIST04": ("dnnx.data.digits.Digits", {"classes": [0, 1, 2, 3, 4]}),
    "dnnx.data.mnist59.MNIST59": ("dnnx.data.digits.Digits", {"classes": [5, 6, 7, 8, 9]}),
    "dnnx.data.mnist_split2.MNISTSplit2": ("dnnx.data.digits.Digits", {"part": "split2"}),
}
OFF: tuple[object, ...] = (None, 0, False, [])


def modernized(cfg: Any) -> Any:
    """Return the config of a run folder in today's names. A config of today comes back unchanged."""
    module = cfg.get("module") if isinstance(cfg, DictConfig) else None
    target = module.get("_target_", "") if isinstance(module, DictConfig) else ""
    if not str(target).startswith("dnnx.modules."):
        return cfg
    old: Any = OmegaConf.to_container(cfg, resolve=False)
    kind = str(target).rpartition(".")[2]
    old["task"] = {"_target_": TASKS.get(kind, "dnnx.tasks.classification.Classification")}
    old["net"] = {"_target_": NETS.get(kind, NETS["Classifier"]), **(old.get("net") or {})}
    old["techniques"] = _techniques(old.pop("module"))
    old["module"] = None
    target, more = DATA.get(old["data"]["_target_"], (old["data"]["_target_"], {}))
    old["data"] |= {"_target_": target, **more}
    return OmegaConf.create(_moved(old))


def _techniques(module: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    on = {TECHNIQUES[key].split(".")[0] for key, v in module.items() if key in TECHNIQUES and v not in OFF}
    for key, value in module.items():
        name, _, argument = TECHNIQUES.get(key, "").partition(".")
        if name in on:
            found.setdefault(name, {"_target_": f"dnnx.techniques.{name}.{CLASSES[name]}"})[argument] = value
    return found


def _moved(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _moved(inner) for key, inner in value.items()}
    if isinstance(value, str):
        for old, new in MOVED.items():
            if value.startswith(old):
                return new + value.removeprefix(old)
    return value


MACRO = (
    "Precision, recall and F1 are macro averages over the classes, or of the second class where AUC, the area under "
    "the ROC curve, is shown."
)
THRESHOLD = (
    "Accuracy, precision, recall, F1 and confusion matrices call a pair different above the seed's own threshold, "
    "chosen on validation; learning curves and predictions under test images do so above 0.5."
)


def about_of_old(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the key `about` for a results.json that has none: unit and direction of the named metrics.

    >>> about_of_old(["test/accuracy", "epoch/best"])
    {'test/accuracy': {'unit': '%', 'better': 'higher'}}
    """
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        if known := METRICS.get(name.rpartition("/")[2]):
            found[name] = {"unit": known[0], "better": known[1]}
            if name in NOTES:
                found[name]["note"] = NOTES[name]
    return found


METRICS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("accuracy", "precision", "recall", "f1", "accuracy_at_half", "auc"), ("%", "higher")),
    **dict.fromkeys(("loss", "nll", "brier", "ece"), ("", "lower")),
    **dict.fromkeys(("threshold", "entropy", "mutual_information"), ("", None)),
}
NOTES = {"test/precision": MACRO, "test/threshold": THRESHOLD}
