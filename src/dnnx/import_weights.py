"""`python -m dnnx.import_weights weights=FILE`: write a run folder of networks that were trained elsewhere."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.basics.errors import require
from dnnx.config import resume
from dnnx.config.app import command, run_folder
from dnnx.config.check import check as check_config
from dnnx.config.check import check_keys
from dnnx.config.paths import new_folder
from dnnx.config.trust import check_run
from dnnx.runs.files import remove_empty, write_json, write_text
from dnnx.runs.latest import link_latest
from dnnx.runs.tables import HEADER

OWN = ("weights", "map", "fresh", "dropped", "epsilon")  # keys of this command alone
UNTRAINED = ("epoch/best", "epoch/last", "epoch/diverged", "time/fit_s", "time/epoch_s")


def import_weights(cfg: DictConfig, folder: Path) -> dict[str, list]:
    """Write the run folder of the network in `cfg.weights`, tested on the data; return its results."""
    files = [str(path) for path in (cfg.weights if OmegaConf.is_list(cfg.weights) else [cfg.weights])]
    check(cfg, files)
    run = cfg.copy()
    OmegaConf.set_struct(run, False)
    for key in OWN:
        del run[key]
    run.seeds = seeds = list(range(len(files)))
    check_run(run)
    check_config(run)

    from dnnx.reports.table import results_table  # imports torch from here on
    from dnnx.training.assemble import build_data, build_module

    data = build_data(run, seeds)
    module = build_module(run, data, seeds)
    fill_module(module, files, cfg)
    metrics = write_run(run, data, module, folder)
    console.print(results_table(f"{many(len(seeds), 'imported network')} on {data.provenance['note']}", metrics))
    console.print(f"run folder: {folder}", soft_wrap=True)
    return metrics


def fill_module(module: Any, files: list[str], cfg: DictConfig) -> None:
    """Fill the network of each seed with the weights of its file, and say where each name of the file goes."""
    from dnnx.nets.weight_files import read_arrays  # imports torch
    from dnnx.nets.weight_import import fill

    state = module.replicas.stacked_state()
    for seed, path in enumerate(files):
        own = {name: value[seed] for name, value in state.items()}
        for line in fill(own, read_arrays(Path(path)), path, cfg.map, cfg.fresh, cfg.dropped, cfg.epsilon):
            console.print(line, soft_wrap=True)


def write_run(run: DictConfig, data: Any, module: Any, folder: Path) -> dict[str, list]:
    """Test the networks and write the files of a run that has no epochs; return its results."""
    from dnnx.evaluation import preprocessing, results  # imports torch
    from dnnx.runs import provenance
    from dnnx.runs.tensors import save_tensors
    from dnnx.training.assemble import choose_device

    data.to(choose_device(run.trainer.accelerator))
    all_there = [True for _ in run.seeds]
    metrics, predictions = results.measure(module, data, list(run.seeds), all_there)
    metrics |= {name: [None] * len(all_there) for name in UNTRAINED} | results.costs(module, data, all_there)
    folder.mkdir(parents=True, exist_ok=True)
    resume.save_config(run, folder / "config.yaml")
    write_json(folder / "environment.json", provenance.environment())
    write_json(folder / "data.json", provenance.data_facts(data))
    write_text(folder / "metrics.csv", HEADER)
    save_tensors(module.replicas.stacked_state(), folder / "model.safetensors")
    preprocessing.write(preprocessing.of_data(data), folder)
    save_tensors(predictions, folder / "predictions.safetensors")
    write_json(folder / "results.json", metrics | {"about": results.about(module.task)})
    return metrics


def check(cfg: DictConfig, files: list[str]) -> None:
    check_keys(cfg, "train", "import_weights")
    require(bool(files), "weights", cfg.weights, "a file of weights, such as model.npz, or a list of them")
    require(cfg.epsilon > 0, "epsilon", cfg.epsilon, "a small number above 0, such as epsilon=1e-3")
    for key in ("mc_dropout", "lr_search", "techniques"):
        value = OmegaConf.select(cfg, key)
        require(not value, key, value, "nothing is trained here, and dnnx.evaluate makes passes of MC dropout")
    require(cfg.backbone is None, "backbone", cfg.backbone, "nothing is trained here, so none is needed")


@command("import_weights", where=new_folder)
def main(cfg: DictConfig) -> None:
    folder = run_folder()
    try:
        import_weights(cfg, folder)
        link_latest(folder)
    finally:
        remove_empty(folder, Path(cfg.paths.outputs).absolute())


if __name__ == "__main__":
    main()
