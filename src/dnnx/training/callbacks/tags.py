"""Names of curves in TensorBoard, which sorts them: accuracy and loss first, statistics of layers last."""

SPLITS = ("train", "val", "test", "later", "mc", "ensemble", "cv")
FACTS = ("epoch", "memory", "optimizer", "time")


def tag(name: str) -> str:
    """Return the tag of a metric: curves of one metric share a chart group, whatever their split.

    >>> tag("val/loss"), tag("epoch/best"), tag("hidden_layers.0/dead_units")
    ('loss/val', 'run/epoch/best', 'units/hidden_layers.0/dead_units')
    """
    split, _, metric = name.partition("/")
    if split in SPLITS:
        return f"{metric}/{split}"
    return f"run/{name}" if split in FACTS else f"units/{name}"


def spread_tag(name: str) -> str | None:
    """Return the tag of a metric's spread over the seeds; None for a metric whose spread is not shown.

    >>> spread_tag("val/loss"), spread_tag("train/loss")
    ('spread/loss', None)
    """
    split, _, metric = name.partition("/")
    return f"spread/{metric}" if split == "val" else None
