"""`dnnx sample run=FOLDER prompt=TEXT`: let the language model of a run continue a text."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.errors import require
from dnnx.config import plain, resume
from dnnx.config.app import command
from dnnx.config.check import check_keys

LONGEST = 10_000  # tokens; more is a typing error


def sample(cfg: DictConfig) -> str:
    """Return the prompt and its continuation by a network of the run folder `cfg.run`."""
    check_keys(cfg, "sample")
    require(0 <= cfg.length <= LONGEST, "length", cfg.length, f"a number of tokens from 0 to {LONGEST:,}")
    require(cfg.temperature >= 0, "temperature", cfg.temperature, "a number of at least 0, for example 0.8")
    folder = Path(cfg.run)
    require(folder.is_dir(), "run", cfg.run, "there is no such folder; give a run folder of task=language_model")
    run = resume.load_config(folder, "run", cfg)
    is_text = not plain.is_plain(run) and "level" in run.data and (folder / "model.safetensors").is_file()
    require(is_text, "run", cfg.run, "a finished run with data=tokens task=language_model is needed")
    return continued(cfg, folder, run)


def continued(cfg: DictConfig, folder: Path, run: DictConfig) -> str:
    """Return the prompt of `cfg` and `cfg.length` tokens after it."""
    import torch

    from dnnx.basics.seeding import generator
    from dnnx.data.tokens import read_prompt
    from dnnx.evaluation.saved import network
    from dnnx.tasks.continuation import continue_tokens

    facts: Any = resume.load_data(folder)
    seeds = resume.load_results(folder)["seeds"]
    prompt = read_prompt(str(cfg.prompt), facts["class_names"], run.data.level, run.data.clean)
    net = network(run, folder, seeds, seeds[0] if cfg.seed is None else cfg.seed)
    draw = generator(cfg.draw, "sample")
    [tokens] = continue_tokens(net, torch.tensor([prompt]), cfg.length, cfg.temperature, draw).tolist()
    return ("" if run.data.level == "characters" else " ").join(facts["class_names"][token] for token in tokens)


@command("sample")
def main(cfg: DictConfig) -> None:
    console.print(sample(cfg), soft_wrap=True)


if __name__ == "__main__":
    main()
