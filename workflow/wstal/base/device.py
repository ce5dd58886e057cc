"""One compute device per process, leased so that jobs on one machine do not share a GPU."""

from __future__ import annotations

import fcntl
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import torch

from wstal.base.array_store import safe_name
from wstal.base.errors import WstalError

DEVICES = ("auto", "cuda", "cpu")
SHARES = 16  # processes on a GPU that are counted


@contextmanager
def lease(device: str = "auto") -> Iterator[torch.device]:
    """Yield the device to compute on and hold it until the block ends.

    `auto` is a GPU where there is one, else the CPU; `cuda` raises WstalError where there is
    none: nothing falls back in silence. One visible GPU (as a cluster gives by
    CUDA_VISIBLE_DEVICES) is taken as it is; of several, the first that no other process has;
    where all are taken they are shared in turn. Convolutions in float32 are float32 there, not
    the TF32 that torch rounds to by default, unless a precision that is asked for says so.
    """
    if device not in DEVICES:
        raise WstalError(f"device {device!r} is not one of {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise WstalError("device cuda was asked for, but torch sees no GPU; use auto or cpu")
    torch.backends.cudnn.allow_tf32 = False
    if device == "cpu" or not torch.cuda.is_available():
        yield torch.device("cpu")
    elif torch.cuda.device_count() == 1:
        yield torch.device("cuda", 0)
    else:
        with _free_gpu(torch.cuda.device_count()) as index:
            yield torch.device("cuda", index)


@contextmanager
def _free_gpu(count: int, folder: str | Path | None = None) -> Iterator[int]:
    folder = Path(folder or tempfile.gettempdir())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = visible if len(visible) == count else [str(index) for index in range(count)]
    for share, (index, name) in product(range(SHARES), enumerate(names)):
        number = f".{share}" if share else ""
        with (folder / f"wstal-gpu{safe_name(name)}-{os.getuid()}{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield index
            return
    yield 0


def device_name(device: torch.device) -> str:
    """The device's model, for provenance."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"
