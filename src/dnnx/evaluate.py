"""`python -m dnnx.evaluate run=FOLDER`: test the saved best weights of a run again and compare the numbers."""

from math import ceil
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.basics.errors import UserError, choose, require
from dnnx.config import plain, resume
from dnnx.config.app import command
from dnnx.config.check import ACCELERATORS, check_keys
from dnnx.config.finished import named_run
from dnnx.runs.files import read_json, write_json

TOLERANCE = 1e-5  # another thread count rounds differently
ELSEWHERE = 1e-3  # a GPU rounds products more coarsely than a CPU: also the share of examples whose class may change


def evaluate(cfg: DictConfig) -> dict[str, list]:
    """Return the metrics of the run folder `cfg.run`, measured again from its saved weights and the data."""
    check_keys(cfg, "evaluate")
    choose("accelerator", cfg.accelerator, dict.fromkeys(ACCELERATORS))
    folder, run = Path(cfg.run), named_run(cfg.run, cfg)
    if plain.is_plain(run):
        return evaluate_plain(cfg, run, folder)
    told = "a baseline keeps no weights to test again; python -m dnnx.train fits it again, in seconds"
    require("baseline" not in run, "run", cfg.run, told)
    if cfg.data_root is not None:
        told = f"data._target_={run.data.get('_target_')} lies in no folder, so leave it out"
        require("root" in run.data, "data_root", cfg.data_root, told)
        run.data.root = cfg.data_root

    from dnnx.evaluation import results  # imports torch
    from dnnx.reports.table import results_table
    from dnnx.runs.tensors import load_tensors
    from dnnx.training.assemble import build_data, build_module, choose_device
    from dnnx.training.dropout_on import require_dropout

    saved, then = resume.load_results(folder), resume.load_data(folder)
    data = build_data(run, saved["seeds"])
    resume.require_same_data(data.provenance, then, run.data, "data_root")
    module = build_module(run, data, saved["seeds"])
    if cfg.mc_dropout != 0:
        require_dropout(module, cfg.mc_dropout)
    module.replicas.load_stacked(load_tensors(folder / "model.safetensors"))
    device = choose_device(cfg.accelerator)
    data.to(device)
    survived = [epoch is None for epoch in saved["epoch/diverged"]]
    metrics, _ = results.measure(module, data, saved["seeds"], survived)
    console.print(results_table(f"{many(len(saved['seeds']), 'seed')} on {data.provenance['note']}", metrics))
    require_same(cfg, folder, metrics, saved, data.sizes["test"] if device.type != device_of(run, folder) else 0)
    if cfg.mc_dropout:
        mc_dropout(cfg.mc_dropout, module, data, folder, saved, survived, str(run.get("arm") or run.get("name")))
    return metrics


def evaluate_plain(cfg: DictConfig, run: DictConfig, folder: Path) -> dict[str, list]:
    """Test the saved best weights of a user's LightningModule again, one seed after the other."""
    for key, found in (("mc_dropout", cfg.mc_dropout), ("data_root", cfg.data_root)):
        require(not found, key, found, f"it is for networks of dnnx; this run is of {run.module._target_}")

    from dnnx.reports.table import results_table  # imports torch
    from dnnx.training.plain import prepare
    from dnnx.training.plain_run import test_again

    run.trainer.accelerator = cfg.accelerator
    saved = resume.load_results(folder)
    plan = prepare(run, saved["seeds"], folder)
    resume.require_same_data(plan.facts, resume.load_data(folder))
    require(plan.tests, "run", cfg.run, f"{run.module._target_} has no test_step, or its data no test_dataloader")
    metrics = test_again(plan, saved)
    console.print(results_table(f"{many(len(saved['seeds']), 'seed')} on {plan.facts['note']}", metrics))
    require_same(cfg, folder, metrics, saved)
    return metrics


def device_of(run: DictConfig, folder: Path) -> str:
    """Return the type of the device on which a run was trained and tested: cuda or cpu."""
    path = folder / "environment.json"
    there = path.is_file() and "gpu" in read_json(path)
    return "cuda" if there and run.trainer.get("accelerator") != "cpu" else "cpu"


def require_same(
    cfg: DictConfig, folder: Path, metrics: dict[str, list], saved: dict[str, list], num_elsewhere: int = 0
) -> None:
    """Raise UserError with the names of metrics that differ from those that the run `saved`.

    With `num_elsewhere` examples, tested on another device than the run's, a few may be in another class.
    """
    most = max(TOLERANCE, ELSEWHERE * bool(num_elsewhere)), ceil(ELSEWHERE * num_elsewhere)
    changed = [name for name in metrics if name in saved and not _same(metrics[name], saved[name], *most)]
    if changed:
        raise UserError(f"run={cfg.run}: these numbers differ from its results.json: {', '.join(changed)}")
    told = "the same numbers, up to the rounding of another device," if num_elsewhere else "the same numbers"
    console.print(f"{told} as in {folder / 'results.json'}", soft_wrap=True)


def mc_dropout(
    passes: int, module: Any, data: Any, folder: Path, saved: dict[str, list], survived: list[bool], name: str
) -> None:
    """Write the MC dropout scores to `folder`/mc_dropout.json, with a figure, and print whether it helps."""
    from dnnx.evaluation.mc_dropout import ABOUT, draw, measure
    from dnnx.reports.table import mc_table
    from dnnx.reports.verdicts import decide
    from dnnx.runs.run import Run, Study

    items = getattr(data, "items", "examples")
    console.print(f"MC dropout: {many(passes, 'pass')} over {data.sizes['test']:,} test {items}")
    metrics, curves = measure(module, data, survived, passes)
    described: Any = saved.get("about", {})
    run = Run(name, folder, results=saved | metrics | {"about": described | ABOUT})
    verdicts, _ = decide(Study("", "", name, [run], [_ask(name, *question) for question in QUESTIONS], []))
    sentences = [verdict.sentence for verdict in verdicts]
    facts = {"passes": passes, "seeds": saved["seeds"], **metrics, "reliability": curves, "verdicts": sentences}
    write_json(folder / "mc_dropout.json", facts)
    draw(curves, folder)
    console.print(mc_table(f"MC dropout, {many(passes, 'pass')}, {many(len(saved['seeds']), 'seed')}", metrics))
    for sentence in sentences:
        console.print(sentence, soft_wrap=True)
    console.print(f"written to {folder / 'mc_dropout.json'} and .png", soft_wrap=True)


QUESTIONS = (
    ("Does MC dropout make it more accurate?", "accuracy", "higher"),
    ("Does it lower the NLL?", "nll", "lower"),
    ("Does it lower the Brier score?", "brier", "lower"),
    ("Does it lower the calibration error?", "ece", "lower"),
)


def _ask(run: str, ask: str, score: str, expect: str) -> dict[str, str]:
    metrics = {"metric": f"mc/{score}", "than_metric": f"test/{score}"}
    return {"ask": ask, "arm": run, "than": run, "expect": expect, **metrics}


def _same(now: object, then: object, share: float, count: int) -> bool:
    """Return whether floats differ by `share` at most, of numbers above 1 relatively, whole
    numbers by `count`, and all else not at all."""
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(_same(*pair, share, count) for pair in zip(now, then, strict=True))
    if isinstance(now, float) and isinstance(then, float):
        return abs(now - then) <= share * max(1, abs(then))
    if type(now) is int and type(then) is int:
        return abs(now - then) <= count
    return now == then


@command("evaluate")
def main(cfg: DictConfig) -> None:
    evaluate(cfg)


if __name__ == "__main__":
    main()
