"""TV-L1 on the CPU at hardware speed: own C++, compiled on first use (`tvl1.cpp`)."""

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

# FOLDED C++ compiled on first use by the system's compiler, kept in the user's cache.
# FOLDED
# FOLDED The name of a library holds a digest of its sources, the flags, the compiler and the CPU it was
# FOLDED made for: an edit, another compiler or another kind of node on a shared home compiles anew.

COMPILERS = ("c++", "g++", "clang++")
COMPILER_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread")


class NoCompiler(WstalError):
    """There is no C++ compiler, or the one found cannot compile the source."""


@cache
def load_library(
    sources: tuple[Path, ...], flags: tuple[str, ...] = (), target: str = "native"
) -> ctypes.CDLL:
    """Compile `sources[0]` (the others are included by it) if need be, and load it.

    `target` is the instruction set: `native`, or a name the compiler knows, such as
    `x86-64-v3`. Raises NoCompiler.
    """
    compiler = find_compiler()
    command = [compiler, *COMPILER_FLAGS, *flags, *_target_flags(target)]
    path = cache_folder() / f"{sources[0].stem}-{_digest(sources, command)}.so"
    if not path.is_file():
        _compile(command, sources[0], path)
    return ctypes.CDLL(str(path))


def find_compiler() -> str:
    """Path of the C++ compiler: `$CXX`, else the first of the usual names."""
    for name in filter(None, (os.environ.get("CXX"), *COMPILERS)):
        if found := shutil.which(name):
            return found
    raise NoCompiler(f"no C++ compiler found (looked for $CXX, {', '.join(COMPILERS)})")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/wstal`, or `~/.cache/wstal`; a private one if that cannot be written."""
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
        # Compilers prefer half-width vectors on CPUs that have the full width, and one that
        # does not know the CPU's model tunes for the wrong one (10 % slower, measured).
        return [f"-march={target}", "-mtune=generic", "-mprefer-vector-width=512"]
    return [f"-mcpu={target}"]


def _compile(command: Sequence[str], source: Path, path: Path) -> None:
    with atomic_path(path) as temporary:  # processes that race make the same file
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
    """The CPU's model and instruction sets."""
    lines = {platform.machine(), platform.processor()}
    info = Path("/proc/cpuinfo")
    if info.is_file():
        wanted = ("model name", "flags", "Features", "CPU part", "CPU implementer")
        lines |= {line for line in info.read_text().splitlines() if line.startswith(wanted)}
    return "\n".join(sorted(lines))


SOURCES = ("tvl1.cpp", "iteration.h", "median.h", "resampling.h", "vectors.h", "warping.h")
# Fused multiply-add is allowed: it is no less exact than OpenCV's separate roundings, only
# different. NaN cannot occur (frames are checked), so comparisons may be plain minima.
FLAGS = (
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffinite-math-only",
    "-fno-signed-zeros",
)


class _Parameters(ctypes.Structure):
    """`Parameters` of tvl1.cpp."""

    _fields_ = [
        *((name, ctypes.c_double) for name in ("tau", "lambda_", "theta", "epsilon", "scale_step")),
        *((name, ctypes.c_int) for name in ("nscales", "warps", "inner", "outer", "median")),
        *((name, ctypes.c_int) for name in ("cuda", "sweep")),
    ]


def library(target: str = "native") -> ctypes.CDLL:
    """The compiled library; raises NoCompiler."""
    folder = Path(__file__).parent
    return load_library(tuple(folder / name for name in SOURCES), FLAGS, target)


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
    """Flow `[N-1, H, W, 2]` float32 px between gray frames `[N, H, W]` in 0..255, of any type.

    `threads` pairs are computed at a time (default: see `default_threads`); the result does not
    depend on it. `target` is the instruction set compiled for. `work` int64 [N-1], if
    given, receives each pair's number of pixel iterations. `sweep` is how many iterations may
    follow each other in one pass over the picture (1 to 8; default: by its size and the cache);
    the result does not depend on it.
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
    """`$OMP_NUM_THREADS` where it is set, else the CPUs this process may use."""
    if (asked := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
