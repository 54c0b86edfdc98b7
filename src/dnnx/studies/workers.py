"""The number of workers of a study: the key `jobs`, or the cores of this process, limited by its memory."""

import os
from pathlib import Path

from dnnx.basics import machine
from dnnx.basics.console import console
from dnnx.config.check import check_jobs

WORKER_MB = 500  # of memory that a worker has for itself, by estimate; libraries and data in memory are shared


def count_workers(jobs: int | None, accelerator: str) -> int:
    """Return the workers of a study: `jobs`, else one per core, or one alone on a GPU; bounded by free memory."""
    check_jobs(jobs)
    wanted = jobs or (1 if uses_gpu(accelerator) else machine.count_cores())
    free = machine.available_memory()
    if free is None or wanted == 1:
        return wanted
    possible = max(1, free // (WORKER_MB * 2**20))
    if possible < wanted:
        console.print(
            f"jobs={possible}, not {wanted}: {free / 2**30:.1f} GB of memory are free and a worker takes about "
            f"{WORKER_MB / 1000} GB", soft_wrap=True,
        )  # fmt: skip
    return min(wanted, possible)


def threads_of(workers: int) -> int:
    """Return the threads of each of so many workers; OMP_NUM_THREADS is an upper bound."""
    typed = os.environ.get("OMP_NUM_THREADS", "")
    bound = int(typed) if typed.isdecimal() and int(typed) > 0 else machine.count_cores()
    return max(1, min(machine.count_cores() // workers, bound))


def uses_gpu(accelerator: str) -> bool:
    """Return whether Lightning would train on CUDA; torch is imported only if there is a driver to ask."""
    if accelerator == "cpu" or not machine.has_gpu_driver():
        return False
    import torch

    return torch.cuda.is_available()


def gpus_of(accelerator: str) -> list[str]:
    """Return the GPUs that workers share, as CUDA_VISIBLE_DEVICES names them; none for training on the CPU."""
    if not uses_gpu(accelerator):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
