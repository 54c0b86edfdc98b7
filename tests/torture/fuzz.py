"""A coverage-guided fuzzer (atheris, which is libFuzzer) of the binary readers: python -m torture.fuzz 0 idx=1000.

A reader ends in a UserError or in a right result; anything else, code that is run and memory beyond LIMIT are a crash.
"""

import functools
import gzip
import io
import os
import pickle
import resource
import struct
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

import numpy as np
import torch
from safetensors.torch import save

from dnnx.basics.errors import UserError
from dnnx.data.read_idx import read_idx
from dnnx.data.sources import cache
from dnnx.data.sources.image_folder import read_image_folder
from dnnx.nets.weight_files import read_arrays
from dnnx.runs.tensors import load_tensors
from dnnx.training.callbacks.checkpoint import load_checkpoint

LIMIT = 2 * 2**30  # bytes beyond what is mapped after the imports
FORBIDDEN = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "os.remove"}
FEW = {"train": 1, "test": 1}


def refuse_code() -> None:
    """From now on a reader that starts a process, connects or removes something ends this process."""

    def hook(event: str, args: tuple) -> None:
        if event in FORBIDDEN:
            os.write(2, f"CODE WAS RUN: {event} {args}\n".encode())
            os._exit(99)

    sys.addaudithook(hook)


def memory_limit() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + LIMIT


def user_error_or_result(read: Callable[[], object]) -> None:
    try:
        read()
    except UserError as error:
        if "\n" in str(error):
            raise AssertionError("more than a line") from error


class Evil:
    def __reduce__(self) -> tuple:
        return os.system, ("echo CODE WAS RUN",)


def idx(data: bytes, folder: Path) -> None:
    """First byte: how many dimensions, and whether it is packed."""
    path = folder / ("a.gz" if data[:1] > b"\x7f" else "a")
    packed = data[:1] > b"\xbf"
    path.write_bytes(gzip.compress(data[1:], 1) if packed else data[1:])
    user_error_or_result(lambda: read_idx(path, 3 if data[:1] and data[0] % 2 else 1))


def archive(data: bytes, folder: Path) -> None:
    """A tar of images; the first byte says whether what follows is the tar or the .tgz."""
    path = folder / "a.tgz"
    path.write_bytes(gzip.compress(data[1:], 1) if data[:1] < b"\xf0" else data[1:])
    user_error_or_result(lambda: read_image_folder(path, ["cat"], FEW, 0))


def tensors(data: bytes, folder: Path) -> None:
    (path := folder / "a.safetensors").write_bytes(edited(data))
    user_error_or_result(lambda: load_tensors(path))


def cached(data: bytes, folder: Path) -> None:
    """Read the cache of a decoded source: never an error, since it can be rebuilt."""
    (path := folder / "a.safetensors").write_bytes(edited(data))
    cache._read(path, "stamp")


def edited(data: bytes) -> bytes:
    """A whole file with edits, for safetensors reads in Rust, of which the fuzzer sees nothing.

    First which file and how much is cut off its end, then three bytes for each edit: where, and what.
    """
    file = bytearray(safetensors()[data[0] % 3] if data else b"")
    for i in range(2, len(data) - 2, 3):
        file[int.from_bytes(data[i : i + 2], "big") % len(file)] = data[i + 2]
    return bytes(file[: len(file) - (data[1] if data[1:] and data[1] < 64 else 0)])


def checkpoint(data: bytes, folder: Path) -> None:
    """The first byte says whether what follows is the pickle in a checkpoint or the file."""
    path = folder / "a.ckpt"
    if data[:1] < b"\xe0":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a/data.pkl", data[1:])
            file.writestr("a/byteorder", "little")
            file.writestr("a/data/0", bytes(16))
            file.writestr("a/version", "3\n")
    else:
        path.write_bytes(data[1:])
    user_error_or_result(lambda: load_checkpoint(path))


def arrays(data: bytes, folder: Path) -> None:
    """The first byte says whether what follows is an array in an .npz or the file."""
    path = folder / "a.npz"
    if data[:1] < b"\xe0":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.npy", data[1:])
    else:
        path.write_bytes(data[1:])
    user_error_or_result(lambda: read_arrays(path))


READERS = {reader.__name__: reader for reader in (idx, archive, tensors, cached, checkpoint, arrays)}


def seeds(name: str) -> list[bytes]:
    """Whole files, and hostile ones, to begin with."""
    images = struct.pack(">4I", 0x0803, 2, 3, 4) + bytes(range(24))
    if name == "idx":
        huge = struct.pack(">4I", 0x0803, 2**32 - 1, 2**31, 28)
        labels = struct.pack(">2I", 0x0801, 5) + b"12345"
        return [b"\x01" + images, b"\xc1" + images, b"\x00" + labels, b"\x01" + huge, b"\x81" + gzip.compress(images)]
    if name == "archive":
        return [
            b"\x00" + tar for tar in (_tar(), _tar(linkname="/etc/passwd"), _tar(name="../../x"), _tar(claims=2**40))
        ]
    if name in ("tensors", "cached"):
        return [bytes([file, 255]) for file in range(3)] + [b"\x00\x03", b"\x01\xff\x00\x07\xff"]
    if name == "arrays":
        np.save(numbers := io.BytesIO(), np.arange(6, dtype=np.float64).reshape(2, 3))
        np.savez(both := io.BytesIO(), a=np.arange(3.0), b=np.zeros((2, 2), np.int8))
        evil = np.array([Evil()], dtype=object)
        np.save(pickled := io.BytesIO(), evil, allow_pickle=True)
        huge = numbers.getvalue().replace(b"(2, 3)", b"(9999999999, 3)")
        return [b"\x00" + numbers.getvalue(), b"\x00" + pickled.getvalue(), b"\x00" + huge, b"\xff" + both.getvalue()]
    state = {"state_dict": {"a": torch.arange(4.0)}, "epoch": 1, "callbacks": {"b": [1, None, "x"]}}
    torch.save(state, file := io.BytesIO())
    with zipfile.ZipFile(file) as archived:
        plain = archived.read(next(name for name in archived.namelist() if name.endswith("data.pkl")))
    return [b"\x00" + plain, b"\x00" + pickle.dumps(Evil()), b"\xff" + file.getvalue(), b"\xff" + pickle.dumps(Evil())]


@functools.cache
def safetensors() -> list[bytes]:
    """Return caches of a source: a plain one, and one with a header that claims a huge size."""
    source = '{"source":"a","num_val":1,"class_names":["a"],"note":"","warning":"","files":{},"stamp":"stamp"}'
    arrays = {key: torch.zeros(2, 1, 2, 2, dtype=torch.uint8) for key in ("train_images", "test_images")}
    arrays |= {key: torch.zeros(2, dtype=torch.uint8) for key in ("train_labels", "test_labels")}
    whole = save(arrays, {"source": source})
    return [whole, save({"a": torch.zeros(3)}), struct.pack("<Q", 2**62) + whole[8:]]


def _tar(name: str = "cifar10/train/cat/1.png", linkname: str = "", claims: int | None = None) -> bytes:
    from made_up_cifar10 import encode

    pixels = np.zeros((32, 32, 3), np.uint8)
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w") as tar:
        for place, kind in ((name, "PNG"), ("cifar10/test/cat/1.jpg", "JPEG")):
            contents = encode(pixels, kind)
            member = tarfile.TarInfo(place)
            if linkname:
                member.type, member.linkname = tarfile.SYMTYPE, linkname
            member.size = 0 if linkname else len(contents)
            tar.addfile(member, io.BytesIO(contents))
    body = bytearray(file.getvalue())
    if claims is not None:  # in the base-256 form of GNU tar, and with a checksum that fits
        body[124:136] = b"\x80" + claims.to_bytes(11, "big")
        body[148:156] = b"%06o\0 " % (sum(body[:148]) + 8 * 32 + sum(body[156:512]))
    return bytes(body)


RUNS = {"idx": 40_000, "tensors": 20_000, "cached": 15_000, "checkpoint": 15_000, "archive": 10_000, "arrays": 10_000}
MODULES = ("dnnx.data.read_idx", "dnnx.data.sources.archive", "dnnx.data.sources.cache", "tarfile",
           "PIL.PngImagePlugin", "dnnx.data.sources.image_folder", "torch._weights_only_unpickler",
           "dnnx.nets.weight_import", "numpy.lib._format_impl")  # fmt: skip


def fuzz(name: str, runs: int, seed: int, folder: Path) -> None:
    """Never returns: libFuzzer ends the process, with exit code 0 where nothing was found."""
    import atheris

    for module in MODULES:
        for value in list(vars(sys.modules[module]).values()):
            for function in list(vars(value).values()) if isinstance(value, type) else [value]:
                if isinstance(function, FunctionType) and function.__module__ == module:
                    function.__code__ = atheris.instrument_func(function).__code__
    corpus = folder / "corpus"
    corpus.mkdir()
    for i, contents in enumerate(seeds(name)):
        (corpus / str(i)).write_bytes(contents)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit(), memory_limit()))
    refuse_code()
    options = ["-max_len=6000", "-timeout=60", "-rss_limit_mb=0", f"-artifact_prefix={folder}/"]
    reader = READERS[name]
    atheris.Setup([name, f"-runs={runs}", f"-seed={seed}", *options, str(corpus)], lambda data: reader(data, folder))
    atheris.Fuzz()


def main() -> None:
    """Arguments: a seed, and for each reader name=runs; each in a process of its own."""
    seed, *readers = sys.argv[1:]
    for reader in readers:
        name, runs = reader.split("=")
        with tempfile.TemporaryDirectory() as folder:
            if (pid := os.fork()) == 0:
                try:
                    fuzz(name, int(runs), int(seed), Path(folder))
                finally:
                    os._exit(70)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            print(f"{name}: {runs} inputs, exit code {code}", flush=True)
            if code:
                found = next(Path(folder).glob("*-*"), None)
                sys.exit(f"{name} {found and found.read_bytes()!r}")


if __name__ == "__main__":
    main()
