"""python -m dnnx.evaluate: tests the saved best weights of a run again, and says whether the numbers are the same."""

from pathlib import Path

from omegaconf import DictConfig

from dnnx import config
from dnnx.cli import command
from dnnx.console import console
from dnnx.errors import UserError, require
from dnnx.files import read_json

TOLERANCE = 1e-5  # another device or thread count rounds differently


def evaluate(cfg: DictConfig) -> dict[str, list]:
    """The metrics of the run folder `cfg.run`, measured anew from its saved weights and the data."""
    folder = Path(cfg.run)
    require(folder.is_dir(), "run", cfg.run, "there is no such folder; give a run folder such as outputs/dense5/latest")
    run = config.load_config(folder, "run")
    finished = (folder / "results.json").is_file()
    require(finished, "run", cfg.run, f"it did not finish; go on with: python -m dnnx.train resume={cfg.run}")
    if cfg.data_root is not None:
        run.data.root = cfg.data_root

    from dnnx import results  # torch from here on
    from dnnx.build import build_data, build_module, choose_device
    from dnnx.studies.table import results_table
    from dnnx.tensors import load_tensors

    saved, then = config.load_results(folder), read_json(folder / "data.json")
    data = build_data(run, saved["seeds"])
    _require_same_data(data.provenance, then)
    module = build_module(run, data, saved["seeds"])
    module.replicas.load_stacked(load_tensors(folder / "model.safetensors"))
    data.to(choose_device(cfg.accelerator))
    metrics, _ = results.measure(module, data, saved["seeds"], [epoch is None for epoch in saved["epoch/diverged"]])
    console.print(results_table(f"{len(saved['seeds'])} seeds on {data.provenance['note']}", metrics))
    changed = [name for name in metrics if not _same(metrics[name], saved[name])]
    if changed:
        raise UserError(f"run={cfg.run}: not the numbers of its results.json: {', '.join(changed)}")
    console.print(f"the same numbers as in {folder / 'results.json'}", soft_wrap=True)
    return metrics


def _require_same_data(now: dict, then: dict) -> None:
    same = now["source"] == then["source"] and now["files"] == then["files"]
    require(same, "data", now["source"], f"not the data of the run ({then['note']}, by checksum); give data_root=...")


def _same(now: object, then: object) -> bool:
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_same, now, then))
    if isinstance(now, float) and isinstance(then, float):
        return abs(now - then) <= TOLERANCE * max(1, abs(then))
    return now == then


@command("evaluate")
def main(cfg: DictConfig) -> None:
    evaluate(cfg)


if __name__ == "__main__":
    main()
