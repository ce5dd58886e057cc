"""C++ compiled on first use by the system's compiler, kept in the user's cache.

The name of a library holds a digest of its sources, the flags, the compiler and the CPU it was
made for: an edit, another compiler or another kind of node on a shared home compiles anew.
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

from wstal.atomic import atomic_path
from wstal.errors import WstalError

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread")


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
    command = [compiler, *FLAGS, *flags, *_target_flags(target)]
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
