"""How much memory a worker may take, and a process that lets one bad video cost no other.

A worker gets a limit (`limit_memory`), so that a video that needs more raises an error in its own
job and the machine does not run out. Where a job dies all the same, killed by the kernel or by a
crash of a library, `isolate` goes on without the video that it was working on.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wstal.base.errors import MediaError, WstalError

MAX_MEMORY = "WSTAL_MAX_MEMORY"  # bytes; in the environment, as no result depends on it
SHARE = 0.5  # of the machine's memory that a worker may take by default
MOST_DEATHS = 3  # videos of one job; a fault of the machine would cost all of them
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
GIB = 1 << 30

_NOTE_BYTES = 1 << 16
_note: mmap.mmap | None = None  # shared with the parent: which video is worked on
_causes: dict[str, str] = {}  # of death, by the video that was worked on


def machine_memory() -> int:
    """Return the bytes of memory of this machine, or of the control group that limits it."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, place = line.split(":", 2)
            name = "memory.max" if not kinds else "memory.limit_in_bytes"
            root = Path("/sys/fs/cgroup", "memory" if kinds else "")
            folder = root / place.lstrip("/")
            for each in (folder, *folder.parents) if kinds in ("", "memory") else ():
                with suppress(OSError, ValueError):  # "max" is no limit
                    found.append(int((each / name).read_text()))
                if each == root:
                    break
    return min(found)


def max_memory() -> int:
    """Return the bytes that a worker may take for its videos: `max_memory` of the configuration.

    By default half of the machine's memory.
    """
    given = os.environ.get(MAX_MEMORY, "")
    return int(given) if given else int(machine_memory() * SHARE)


def limit_memory() -> None:
    """Let this process take no more than `max_memory` beyond what it has: else a MemoryError.

    Where a system does not count a process's memory, there is no limit.
    """
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        used = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = used + max_memory()
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


# What libraries say that raise no MemoryError: torch on CPUs, OpenCV, HDF5, C++.
_SAYINGS = ("DefaultCPUAllocator", "Insufficient memory", "memory allocation failed", "bad_alloc")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that the CPU's memory is used up."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, Exception) and any(each in str(error) for each in _SAYINGS):
            return not isinstance(error, WstalError)
        error = error.__cause__
    return False


def memory_reason(stage: str) -> str:
    """Return the reason of a video that became broken because memory was used up in a stage."""
    return (
        f"out of memory at {stage}; to try again, set max_memory (now "
        f"{max_memory() / GIB:.3g} GiB a worker) or start fewer jobs at a time, and delete the "
        "manifest that has this row"
    )


def begin_video(video: str, stage: str) -> None:
    """Note that work on a video begins; raise MediaError if a worker died of it before."""
    if video in _causes:
        cause = _causes[video]
        raise MediaError(memory_reason(stage) if cause == "memory" else f"{cause} at {stage}")
    if _note is not None:
        name = video.encode("utf-8", "surrogateescape")[: _NOTE_BYTES - 1]
        _note[: len(name) + 1] = name + b"\0"


def isolate(report: Callable[[str], None]) -> None:
    """Return in a child process; this process waits for it and exits as it does.

    If the child dies of its memory or in a crash while it works on a video, another one goes on
    without that video, at most MOST_DEATHS times; `report` gets a line about it. The child ends
    with this process. Nothing may run in another thread yet, and no GPU may be in use.
    """
    global _note
    _note = mmap.mmap(-1, _NOTE_BYTES)
    parent = os.getpid()
    while True:
        _note[:1], kills = b"\0", _oom_kills()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            _follow(parent)
            return
        code = os.waitstatus_to_exitcode(_wait(child))
        video = _note[: _note.find(b"\0")].decode("utf-8", "surrogateescape")
        memory = code == -signal.SIGKILL and _oom_kills() > kills
        crashed = -code in CRASHES
        if not video or not (memory or crashed) or len(_causes) == MOST_DEATHS:
            _exit_as(code)
        _causes[video] = "memory" if memory else f"crashed ({signal.Signals(-code).name})"
        cause = "ran out of memory" if memory else _causes[video]
        report(f"video {video}: a worker {cause}; it is broken, the others go on")


def _follow(parent: int) -> None:
    """Let this child be the first to be killed for memory, and end when its parent does."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    if os.getppid() != parent:
        os._exit(1)


def _wait(child: int) -> int:
    """Wait for the child and return its status; signals to end are passed on."""

    def pass_on(number: int, frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT if number == signal.SIGALRM else number)

    handlers = {signal.SIGTERM: pass_on, signal.SIGALRM: pass_on}
    # A terminal's Ctrl-C reaches the child, too: it gets a second to end by that one.
    handlers[signal.SIGINT] = lambda number, frame: signal.alarm(1)
    ignored = [each for each in handlers if signal.getsignal(each) is signal.SIG_IGN]
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if number not in ignored
    }
    try:
        return os.waitpid(child, 0)[1]
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _oom_kills() -> int:
    """Return how many processes the kernel has killed for their memory since it started."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def _exit_as(code: int) -> None:
    """End this process as a child with this exit code (negative: a signal) ended."""
    if code >= 0:
        sys.exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the child's core says more
    with suppress(OSError):  # of SIGKILL
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
