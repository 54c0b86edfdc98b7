"""The union of a run's shards, written like one training of all its seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.config import resume
from dnnx.config.plain import is_plain
from dnnx.config.run_shards import Shard, config_of, config_of_all
from dnnx.evaluation import baseline, mc_dropout, preprocessing, results
from dnnx.runs import checksums, tables
from dnnx.runs.files import read_json, write_json, write_text
from dnnx.runs.tensors import load_tensors, save_tensors
from dnnx.training.assemble import build_data, build_module, choose_device


class Union:
    """Finished shards, with their seeds in the run's order. `write` writes them to the run's folder."""

    def __init__(self, cfg: DictConfig, shards: Sequence[Shard], seeds: Sequence[int]):
        self.shards, self.seeds = shards, list(seeds)
        self.cfg = config_of_all(cfg, seeds)
        self.cfg.trainer.max_epochs = max(shard.config.trainer.max_epochs for shard in shards)
        self.order = tables.order([shard.seeds for shard in shards], seeds)
        self.results = tables.join_results([_results_of(shard) for shard in shards], self.order)
        texts = [(shard.folder / "metrics.csv").read_text() for shard in shards]
        self.metrics = tables.join_metrics(texts, self.seeds, by_seed=is_plain(cfg))
        self.environment = tables.join_facts([read_json(shard.folder / "environment.json") for shard in shards])
        self.data = read_json(shards[0].folder / "data.json")
        backbones = [shard.folder / checksums.FILE for shard in shards]
        self.preprocessing = self._preprocessing(cfg)
        self.backbone = {seed: of for path in backbones if path.exists() for seed, of in read_json(path).items()}
        self.weights: dict[str, Tensor] = {}
        self.predictions: dict[str, Tensor] = {}
        self.curves: dict[str, Any] = {}
        if is_plain(cfg):
            self._stack_plain()
        elif "baseline" not in cfg:
            self._predict()

    def _preprocessing(self, cfg: DictConfig) -> preprocessing.Preprocessing | None:
        """Return that of all seeds; None where the shards have no networks of dnnx."""
        if is_plain(cfg) or "baseline" in cfg:
            return None
        first, *others = self.shards
        parts = [preprocessing.load(config_of(self.cfg, first.seeds), first.folder, first.seeds)]
        if parts[0].per_seed:
            parts += [preprocessing.load(config_of(self.cfg, s.seeds), s.folder, s.seeds) for s in others]
        return preprocessing.join(parts, self.order)

    def _stack_plain(self) -> None:
        """Join the weights of a user's LightningModule, if all seeds have the same shapes."""
        states = [load_tensors(s.folder / "model.safetensors") if _has_model(s) else {} for s in self.shards]
        shapes = [{name: (value.shape[1:], value.dtype) for name, value in state.items()} for state in states]
        if all(own == shapes[0] for own in shapes):
            self.weights = {name: self._in_order([state[name] for state in states]) for name in states[0]}

    def _predict(self) -> None:
        """Compute predictions of all seeds from their weights, and the metrics of their ensemble."""
        states, outputs, data = [], [], None
        for shard in self.shards:
            cfg = config_of(self.cfg, shard.seeds)
            if data is None or data.rows:  # each seed has its own examples
                data = _data_of(cfg, shard)
            module = build_module(cfg, data, shard.seeds)
            states.append(_weights_of(shard))
            module.replicas.load_stacked(states[-1])
            outputs.append({split: module.predict(data.eval_dataloader(split)) for split in ("test", "val")})
            if self.seeds[0] in shard.seeds:
                place = shard.seeds.index(self.seeds[0])
                first = module.alone({name: value[place] for name, value in states[-1].items()})
                exhibits = module.task.exhibits(first, data)
        self.weights = {name: self._in_order([state[name] for state in states]) for name in states[0]}
        test, val = (self._targets([part[split] for part in outputs]) for split in ("test", "val"))
        survived = [epoch is None for epoch in self.results["epoch/diverged"]]
        ensemble, metrics = results.together(module.task, test, val, survived)
        self.predictions = module.task.predictions(*test, ensemble, data) | exhibits
        self.results |= metrics
        if self.cfg.get("mc_dropout"):
            self._calibrate(test, survived)

    def _calibrate(self, test: tuple[Tensor, Tensor], survived: list[bool]) -> None:
        """Compute the ensemble's scores beside MC dropout, and sum reliability over seeds, if every shard has MC
        dropout.
        """
        scores, of_all = mc_dropout.score_ensemble(test[0].double().softmax(-1), test[1], survived)
        self.results |= scores
        files = [shard.folder / mc_dropout.RELIABILITY for shard in self.shards]
        if all(file.exists() for file in files):
            self.curves = tables.sum_curves([read_json(file) for file in files]) | {"ensemble": of_all}

    def _targets(self, parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return the outputs [R, N, ...] of all seeds and their targets, one set per seed or one for all."""
        outputs, y = parts[0]
        own = y.shape[:2] == outputs.shape[:2]
        return self._in_order([part[0] for part in parts]), self._in_order([part[1] for part in parts]) if own else y

    def _in_order(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.stack([tensors[part][place] for part, place in self.order])

    def write(self, folder: Path) -> None:
        """Write all files to a run folder, results.json last: until then the run is not finished."""
        (folder / "results.json").unlink(missing_ok=True)
        resume.save_config(self.cfg, folder / "config.yaml")
        write_json(folder / "environment.json", self.environment)
        write_json(folder / "data.json", self.data)
        if self.preprocessing is not None:
            preprocessing.write(self.preprocessing, folder)
        if self.backbone:
            write_json(folder / checksums.FILE, self.backbone)
        if "baseline" in self.cfg:
            self._fit_again(folder)
        write_text(folder / "metrics.csv", self.metrics)
        if self.weights:  # predictions are empty if every seed diverged
            save_tensors(self.weights, folder / "model.safetensors")
            save_tensors(self.predictions, folder / "predictions.safetensors")
        if self.curves:
            write_json(folder / mc_dropout.RELIABILITY, self.curves)
            mc_dropout.draw(self.curves, folder)
        write_json(folder / "results.json", self.results)

    def _fit_again(self, folder: Path) -> None:
        """Fit a baseline for all seeds, as it keeps no weights: for predictions and the ensemble."""
        found = baseline.prepare(self.cfg, self.seeds).fit(folder)
        self.results |= {name: values for name, values in found.items() if name.startswith("ensemble/")}


def _results_of(shard: Shard) -> dict[str, Any]:
    found = resume.load_results(shard.folder)
    told = f"its results.json is of the seeds {found['seeds']}, its config.yaml of {shard.seeds}"
    require(found["seeds"] == shard.seeds, "shard", shard.folder, told)
    return found


def _has_model(shard: Shard) -> bool:
    return (shard.folder / "model.safetensors").exists()


def _weights_of(shard: Shard) -> dict[str, Tensor]:
    told = "model.safetensors is missing, so it is no whole shard; copy the folder again, or delete it"
    require(_has_model(shard), "shard", shard.folder, told)
    return load_tensors(shard.folder / "model.safetensors")


def _data_of(cfg: DictConfig, shard: Shard) -> Any:
    data = build_data(cfg, shard.seeds)
    resume.require_same_data(data.provenance, resume.load_data(shard.folder), cfg.data)
    data.to(choose_device(cfg.trainer.accelerator))
    return data
