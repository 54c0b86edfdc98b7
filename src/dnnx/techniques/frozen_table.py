"""The table of frozen and trained layers that is shown before the first step, so that a wrong pattern is seen."""

from collections.abc import Iterator

from rich.table import Table
from torch import nn

FROZEN, TRAINED = "frozen", "trained"


def frozen_table(net: nn.Module, num_replicas: int) -> Table:
    """Return the largest parts of a net that are frozen or trained as a whole, with the parameters of one network."""
    table = Table(title="frozen and trained layers")
    table.add_column("layer")
    table.add_column("parameters", justify="right")
    table.add_column("state")
    for name, module, state in parts(net):
        size = sum(p.numel() for p in module.parameters()) // num_replicas
        table.add_row(name, f"{size:,}", state)
    return table


def parts(net: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module, str]]:
    """Yield the largest modules whose parameters are all frozen or all trained, in order, by name and state."""
    states = {FROZEN if not p.requires_grad else TRAINED for p in net.parameters()}
    children = list(net.named_children())
    if len(states) == 1 or (states and not children):
        yield name or "the net", net, f"{FROZEN} in part" if len(states) > 1 else states.pop()
    elif states:
        for child, module in children:
            yield from parts(module, f"{name}.{child}" if name else child)
