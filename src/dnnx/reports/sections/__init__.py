"""Sections of a report. Each file holds one: whether it applies to a study, and its blocks."""

from dnnx.reports.sections import (
    answer,
    arms,
    commands,
    config,
    convergence,
    cost,
    data,
    drawn,
    environment,
    layers,
    missing,
    overfitting,
    sparsity,
)

# In the order of a report. A new section is a file with `applies(found)` and `blocks(found)` and its name here.
ALL = (
    answer, arms, convergence, overfitting, layers, cost, sparsity, drawn, config, data, commands, environment, missing,
)  # fmt: skip
