"""Figures of a report. Each file holds one: the runs that it can show, its caption, and its drawing."""

from dnnx.reports.figures import (
    along,
    confusion,
    curves,
    depth,
    embedding,
    layers,
    lr_search,
    pictures,
    reconstructions,
    roc,
    scores,
)

# In the order of a report. A new figure is a file with `plan(study) -> list[Drawing]` and its name here.
ALL = (along, scores, curves, layers, depth, lr_search, confusion, pictures, reconstructions, roc, embedding)
