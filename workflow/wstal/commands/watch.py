"""Show the last log line of each job that is writing.

At a terminal the list is renewed every two seconds, until Ctrl-C.

Examples:
  wstal watch
  wstal watch --logs results/logs --minutes 30 --once
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from wstal.commands.console import ROOT, Add, Program


def add_arguments(add: Add) -> None:
    add("--logs", type=Path, default=ROOT / "results/logs", help="default: results/logs")
    add("--minutes", type=float, default=2)
    add("--once", action="store_true", help="print once and end")


def watch(args: argparse.Namespace) -> None:
    again = sys.stdout.isatty() and not args.once
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            clear = "\033[2J\033[H" if again else ""
            print(clear + "\n".join(last_lines(args.logs, args.minutes) or ["no job is writing"]))
            if not again:
                return
            time.sleep(2)


def last_lines(folder: Path, minutes: float) -> list[str]:
    """One line per log written to within `minutes`, the latest last."""
    since = time.time() - 60 * minutes
    logs = [(path.stat().st_mtime, path) for path in folder.rglob("*.log")]
    return [
        f"{path.relative_to(folder).with_suffix('')}: {last_line(path)}"
        for modified, path in sorted(logs)
        if modified >= since
    ]


def last_line(path: Path) -> str:
    """The last line of a file that is not empty, or nothing."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4096, 0))
        lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


COMMAND = Program(__doc__, add_arguments, watch)
