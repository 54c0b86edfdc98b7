"""`dnnx cost net=alexnet`: the costs of a network layer by layer, without training it."""

from typing import Any

from omegaconf import DictConfig
from rich import box
from rich.table import Table

from dnnx.basics.console import console
from dnnx.basics.errors import require
from dnnx.config.app import command
from dnnx.config.build import build, find
from dnnx.config.check import check_keys

SHARES_FROM = 110  # columns of the terminal; a narrower one has no room for shares in percent


def cost(cfg: DictConfig) -> dict[str, Any]:
    """Print the costs of `cfg.net`, and return them: layers, totals and megabytes of a step by batch size."""
    check_keys(cfg, "train", "cost")
    sizes = list(cfg.batch_sizes)
    valid = bool(sizes) and all(type(size) is int and size >= 1 for size in sizes)
    require(valid, "batch_sizes", sizes, "whole numbers of at least 1, for example batch_sizes=[32,128]")

    import torch

    from dnnx.evaluation.layer_costs import layer_costs, memory_mb

    example, num_outputs, told = _example(cfg)
    with torch.device("meta"):
        net = build("net", cfg.net, in_shape=tuple(example.shape), num_outputs=num_outputs)
    layers = layer_costs(net, example)
    totals = {
        "params": sum(layer.params for layer in layers),
        "multiply_adds": sum(layer.multiply_adds for layer in layers),
        "activations": sum(layer.activations for layer in layers),
    }
    memory = {size: memory_mb(layers, size) for size in sizes}
    console.print(_layers_table(f"{type(net).__name__} for {told}", layers, totals), _memory_table(memory))
    return {"layers": layers, "memory_mb": memory, **totals}


def _example(cfg: DictConfig) -> tuple[Any, int | None, str]:
    """Return a tensor of the shape of one example, the outputs, and words for it: typed, the net's usual, or data's."""
    import torch

    shape = cfg.in_shape or getattr(find("net", cfg.net), "usual_shape", None)
    if shape is not None:
        valid = all(type(side) is int and side >= 1 for side in shape)
        require(valid, "in_shape", shape, "whole numbers, for example in_shape=[3,96,96]")
        return torch.empty(*shape, device="meta"), cfg.num_outputs, f"inputs of {tuple(shape)}"
    from dnnx.training.assemble import build_data
    from dnnx.training.whole_numbers import settle_inputs

    data, task = build_data(cfg, [0]), build("task", cfg.task)
    sizes = {"in_shape": data.in_shape, "num_outputs": task.num_outputs(data)}
    settle_inputs(data, lambda: build("net", cfg.net, **sizes), 0)
    x, *_ = next(iter(data.eval_dataloader("val")))
    return x[0], sizes["num_outputs"], f"inputs of {tuple(x.shape[1:])}"


def _layers_table(title: str, layers: list[Any], totals: dict[str, int]) -> Table:
    shares = ["%"] * (console.width >= SHARES_FROM)
    caption = "multiply-adds and activations of one example; field: receptive field in pixels"
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold")
    for name in ("kind", "output"):
        table.add_column(name, no_wrap=True)
    for name in ("parameters", *shares, "multiply-adds", *shares, "activations", *shares, "field"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in layers:
        counts = (layer.params, layer.multiply_adds, layer.activations)
        pairs = zip(counts, totals.values(), strict=True)
        cells = [cell for n, total in pairs for cell in _with_share(n, total)[: 1 + len(shares)]]
        field = "all" if layer.field == float("inf") else f"{layer.field:.0f}" if layer.field else ""
        table.add_row(layer.name, layer.kind, " x ".join(map(str, layer.out_shape or ())), *cells, field)
    table.add_section()
    sums = [cell for total in totals.values() for cell in (f"{total:,}", *[""] * len(shares))]
    table.add_row("all", "", "", *sums, "")
    return table


def _with_share(count: int, total: int) -> tuple[str, str]:
    return (f"{count:,}", f"{100 * count / total:.1f}") if count else ("", "")


def _memory_table(memory: dict[int, dict[str, float]]) -> Table:
    table = Table(title="megabytes of a training step (float32, one network; activations: outputs of all layers)")
    table.add_column("batch size", justify="right")
    for name in (*next(iter(memory.values())), "all"):
        table.add_column(name, justify="right")
    for size, parts in memory.items():
        table.add_row(str(size), *(f"{value:,.1f}" for value in (*parts.values(), sum(parts.values()))))
    return table


@command("cost")
def main(cfg: DictConfig) -> None:
    cost(cfg)


if __name__ == "__main__":
    main()
