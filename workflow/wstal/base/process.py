"""Which process made something, and whether it still runs: for temporary files and locks.

A process is known by its machine, its number and when it started, so that a later process with the
same number, or one of another machine on a shared disk, is not taken for it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import signal
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

GONE, RUNS, ELSEWHERE = "gone", "runs", "elsewhere"  # elsewhere: another machine or container


def end_while_importing() -> None:
    """Let Ctrl-C and SIGTERM, unless they are ignored, end this program at once with a line.

    For the seconds in which torch and others are imported, which may drop an exception: nothing is
    written before they end.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: object) -> None:
    os.write(2, b"stopped\n")
    os._exit(128 + number)


class Process(NamedTuple):
    """A process of one machine; `start` is in clock ticks since boot, 0 where unknown."""

    machine: str
    number: int
    start: int

    def state(self) -> str:
        """Return GONE, RUNS, or ELSEWHERE where this machine cannot see the process."""
        if self.machine != this_machine():
            return ELSEWHERE
        if not is_running(self.number):
            return GONE
        return RUNS if self.start == _start(self.number) else GONE

    def __str__(self) -> str:
        return f"{self.machine}:{self.number}:{self.start}"


def read_process(text: str) -> Process | None:
    """Return the process that `str(process)` names; None for another text."""
    with suppress(ValueError):
        machine, number, start = text.strip().split(":")
        return Process(machine, int(number), int(start))
    return None


def this_process() -> Process:
    """Return the process that calls this."""
    return Process(this_machine(), os.getpid(), _start(os.getpid()))


@cache
def this_machine() -> str:
    """Return 8 hexadecimal digits for this boot of this machine, or of this container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def is_running(number: int) -> bool:
    """Return whether this machine has a process of this number, of whatever user."""
    fields = _status(number)
    if fields:
        return fields[0] not in ("Z", "X")  # a zombie has ended; its parent has not asked yet
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _start(number: int) -> int:
    fields = _status(number)
    return int(fields[19]) if fields else 0


def _status(number: int) -> list[str]:
    """Return what /proc says of a process after its name; nothing where there is no /proc."""
    with suppress(OSError):
        # The name in brackets may itself have spaces and brackets.
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return []
