"""`dnnx export run=FOLDER format=onnx`: trained networks as one file, checked against their own outputs."""

from pathlib import Path

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.errors import choose, require, require_installed
from dnnx.config.app import command
from dnnx.config.check import check_keys
from dnnx.config.finished import network_run

FORMATS = ("onnx", "pt2", "safetensors")


def export(cfg: DictConfig) -> Path:
    """Write the file, and return its path. Raise UserError if its outputs differ from those of the run."""
    check_keys(cfg, "export")
    choose("format", cfg.format, dict.fromkeys(FORMATS))
    end = f".{cfg.format}"
    require(cfg.out is None or str(cfg.out).endswith(end), "out", cfg.out, f"a file whose name ends in {end}")
    if cfg.format == "onnx":
        for package in ("onnx", "onnxscript"):
            require_installed(package, "format=onnx", "onnx")
    own = network_run(cfg.run, cfg)

    from dnnx.evaluation.exported import WRITERS, signature  # imports torch
    from dnnx.evaluation.trained import open_run

    run = open_run(own, Path(cfg.run), cfg.seed)
    if cfg.format == "safetensors":
        run.seeds = run.seeds[:1]
    name = f"seed{run.seeds[0]}" if len(run.seeds) == 1 else "ensemble"
    path = Path(cfg.out) if cfg.out is not None else Path(cfg.run) / "export" / f"{name}{end}"
    path.parent.mkdir(parents=True, exist_ok=True)
    gap = WRITERS[cfg.format](run, path)
    of = f"seed {run.seeds[0]}" if len(run.seeds) == 1 else f"the ensemble of {len(run.seeds)} seeds"
    far = f"differ from those of the run by at most {gap:.1g}" if gap else "are those of the run"
    told = f"{of}; {signature(run, cfg.format)}; its outputs {far}"
    console.print(f"written to {path}: {told}", soft_wrap=True)
    return path


@command("export")
def main(cfg: DictConfig) -> None:
    export(cfg)


if __name__ == "__main__":
    main()
