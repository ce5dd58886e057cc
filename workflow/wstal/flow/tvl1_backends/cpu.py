"""TV-L1 on the CPU by the project's C++ (`tvl1.cpp`), compiled on first use.

The system's compiler makes a library in the user's cache. Its name contains a digest of the
sources, the flags, the compiler and the CPU: after an edit, with another compiler, or on another
kind of node that shares the home folder, it is compiled again.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.flow.definition import TVL1Parameters

SOURCES = ("tvl1.cpp", "iteration.h", "median.h", "resampling.h", "vectors.h", "warping.h")
# Fused multiply-add rounds differently from OpenCV, and no less exactly. NaN cannot occur (frames
# are checked), so that comparisons may be plain minima.
FLAGS = (
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffinite-math-only",
    "-fno-signed-zeros",
)
COMPILERS = ("c++", "g++", "clang++")
COMPILER_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread")


class NoCompiler(WstalError):
    """There is no C++ compiler, or it cannot compile the source."""


def tvl1_cpu(
    frames: np.ndarray,
    parameters: TVL1Parameters,
    semantics: str = "opencv_cpu",
    *,
    threads: int | None = None,
    target: str = "native",
    work: np.ndarray | None = None,
    sweep: int = 0,
) -> np.ndarray:
    """Return the flow `[N-1, H, W, 2]`, float32 px, between gray frames `[N, H, W]` in 0..255.

    Frames have any type. `threads` pairs are computed at a time (default: `default_threads`), with
    up to `sweep` iterations in one pass over the picture (1 to 8; 0: by its size and the cache);
    the result depends on neither. `target` is the instruction set to compile for. `work` int64
    `[N-1]`, if given, receives each pair's number of pixel iterations. Raises WstalError for
    `gamma > 0`, NoCompiler, and MemoryError.
    """
    if parameters.gamma:
        raise WstalError("flow backend cpu has no illumination field: gamma must be 0")
    if semantics == "opencv_cuda":
        loops = {"inner": parameters.iterations, "outer": 1, "median": 1, "cuda": 1}
    else:
        loops = {
            "inner": parameters.inner_iterations,
            "outer": parameters.outer_iterations,
            "median": parameters.median_filtering,
            "cuda": 0,
        }
    shared = ("tau", "lambda_", "theta", "epsilon", "scale_step", "nscales", "warps")
    native = _Parameters(
        **{name: getattr(parameters, name) for name in shared}, **loops, sweep=sweep
    )
    frames = np.ascontiguousarray(frames, np.float32)
    n, h, w = frames.shape
    flow = np.empty((n - 1, h, w, 2), np.float32)
    failed = library(target).wstal_tvl1(
        frames.ctypes.data_as(ctypes.c_void_p),
        n,
        h,
        w,
        ctypes.byref(native),
        flow.ctypes.data_as(ctypes.c_void_p),
        None if work is None else work.ctypes.data_as(ctypes.c_void_p),
        max(1, threads or default_threads()),
    )
    if failed:
        raise MemoryError(f"TV-L1 of {w}x{h} frames does not fit into memory")
    return flow


def default_threads() -> int:
    """Return `$OMP_NUM_THREADS` if it is set, else the number of CPUs this process may use."""
    if (asked := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Parameters(ctypes.Structure):
    """The struct `Parameters` of tvl1.cpp."""

    _fields_ = [
        *((name, ctypes.c_double) for name in ("tau", "lambda_", "theta", "epsilon", "scale_step")),
        *((name, ctypes.c_int) for name in ("nscales", "warps", "inner", "outer", "median")),
        *((name, ctypes.c_int) for name in ("cuda", "sweep")),
    ]


def library(target: str = "native") -> ctypes.CDLL:
    """Return the library of TV-L1; raise NoCompiler."""
    folder = Path(__file__).parent
    return load_library(tuple(folder / name for name in SOURCES), FLAGS, target)


@cache
def load_library(
    sources: tuple[Path, ...], flags: tuple[str, ...] = (), target: str = "native"
) -> ctypes.CDLL:
    """Load the library of `sources[0]`, which includes the others; compile it if it is not cached.

    `target` is the instruction set: `native`, or a name that the compiler knows, such as
    `x86-64-v3`. Raises NoCompiler.
    """
    compiler = find_compiler()
    command = [compiler, *COMPILER_FLAGS, *flags, *_target_flags(target)]
    path = cache_folder() / f"{sources[0].stem}-{_digest(sources, command)}.so"
    if not path.is_file():
        _compile(command, sources[0], path)
    return ctypes.CDLL(str(path))


def find_compiler() -> str:
    """Return the C++ compiler: `$CXX`, else the first of COMPILERS; raise NoCompiler."""
    for name in filter(None, (os.environ.get("CXX"), *COMPILERS)):
        if found := shutil.which(name):
            return found
    raise NoCompiler(f"there is no C++ compiler (looked for $CXX, {', '.join(COMPILERS)})")


def cache_folder() -> Path:
    """Return `$XDG_CACHE_HOME/wstal`, or `~/.cache/wstal`; a temporary folder if not writable."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "wstal"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _private_folder()
    return folder if os.access(folder, os.W_OK) else _private_folder()


@cache
def _private_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="wstal-"))


def _target_flags(target: str) -> list[str]:
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        # Compilers prefer half-width vectors even on CPUs with full-width ones, and a compiler that
        # does not know the CPU's model tunes for the wrong one (measured: 10 % slower).
        return [f"-march={target}", "-mtune=generic", "-mprefer-vector-width=512"]
    return [f"-mcpu={target}"]


def _compile(command: Sequence[str], source: Path, path: Path) -> None:
    with atomic_path(path) as temporary:  # processes that race write the same file
        done = subprocess.run(
            [*command, str(source), "-o", str(temporary)], capture_output=True, text=True
        )
        if done.returncode:
            raise NoCompiler(f"{command[0]} cannot compile {source.name}: {done.stderr[-2000:]}")


def _digest(sources: Sequence[Path], command: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(command).encode())
    version = subprocess.run([command[0], "--version"], capture_output=True)
    for part in (version.stdout, cpu_identity().encode(), *(s.read_bytes() for s in sources)):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


@cache
def cpu_identity() -> str:
    """Return the CPU's model and instruction sets."""
    lines = {platform.machine(), platform.processor()}
    info = Path("/proc/cpuinfo")
    if info.is_file():
        wanted = ("model name", "flags", "Features", "CPU part", "CPU implementer")
        lines |= {line for line in info.read_text().splitlines() if line.startswith(wanted)}
    return "\n".join(sorted(lines))
