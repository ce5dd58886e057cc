"""Show the last line of the log of each job that has written within the last minutes.

Examples:
  make watch
  python scripts/watch.py --logs results/logs --minutes 30 --once
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from wstal.commands.console import Add, Program


def last_line(path: Path) -> str:
    """The last line of a file that is not empty, or nothing."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4096, 0))
        lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def recent(folder: Path, minutes: float) -> list[str]:
    """One line per log written to within `minutes`, the latest last."""
    since = time.time() - 60 * minutes
    logs = [(path.stat().st_mtime, path) for path in folder.rglob("*.log")]
    return [
        f"{path.relative_to(folder).with_suffix('')}: {last_line(path)}"
        for modified, path in sorted(logs)
        if modified >= since
    ]


def add_arguments(add: Add) -> None:
    add("--logs", type=Path, default=Path("results/logs"))
    add("--minutes", type=float, default=2)
    add("--once", action="store_true", help="print once and end")


def main(args: argparse.Namespace) -> None:
    while True:
        clear = "\033[2J\033[H" if sys.stdout.isatty() and not args.once else ""
        print(clear + "\n".join(recent(args.logs, args.minutes) or ["no job is writing"]))
        if args.once or not sys.stdout.isatty():
            return
        time.sleep(2)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        Program(__doc__, add_arguments, main).run()
