"""One compute device per process, leased so that jobs on one machine use different GPUs."""

from __future__ import annotations

import fcntl
import os
import platform
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import torch

from wstal.base.array_store import safe_name
from wstal.base.errors import WstalError

DEVICES = ("auto", "cuda", "cpu")
MAX_SHARES = 16  # processes per GPU; beyond that, all take the first GPU


@contextmanager
def lease(device: str = "auto") -> Iterator[torch.device]:
    """Yield the device to compute on and keep its lease until the block ends.

    `auto` is a GPU if torch sees one, else the CPU; `cuda` raises WstalError without a GPU, there
    is no silent fall back. A single visible GPU (as clusters set by CUDA_VISIBLE_DEVICES) is used
    without a lease. Of several, the first without a lease of another process is taken; if all have
    one, they are shared in turn. Torch's default of TF32 in convolutions is switched off.
    """
    if device not in DEVICES:
        raise WstalError(f"device {device!r} is not one of {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise WstalError("device is cuda, but torch sees no GPU; use auto or cpu")
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
    folder = Path(folder) if folder else lock_folder()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = visible if len(visible) == count else [str(index) for index in range(count)]
    for share, (index, name) in product(range(MAX_SHARES), enumerate(names)):
        number = f".{share}" if share else ""
        path = folder / f"gpu{safe_name(name)}{number}.lock"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "r+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield index
            return
    yield 0


def lock_folder() -> Path:
    """Return this user's own folder for locks, below that for temporary files.

    Raises WstalError if the folder belongs to somebody else or others may write to it: a link that
    they put there would be followed.
    """
    folder = Path(tempfile.gettempdir(), f"wstal-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise WstalError(
            f"{folder} is not a folder that only this user writes to, as locks of GPUs need; "
            "remove it, or set TMPDIR to a folder of your own"
        )
    return folder


def device_name(device: torch.device) -> str:
    """Return the device's model, for provenance."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"
