"""Show how far the running workflows are: stages, running jobs, time left.

It reads what the runs write, so it works from a second terminal and from another machine on the
same file system. At a terminal the view is renewed every two seconds, until Ctrl-C. --curves draws
what training logs: losses, attention, active shares.

Examples:
  wstal watch
  wstal watch --once
  wstal watch --curves results/demo/demo_i3d/co2net/seed0 --once
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wstal.commands.console import Add, Program
from wstal.base.errors import WstalError
from wstal.config import run_progress
from wstal.config.installation import work_folder
from wstal.config.run_progress import JobProgress, State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wstal.config.footage import Footage

EVERY = 2.0  # s
BLOCKS = "▁▂▃▄▅▆▇█"
HEIGHT = 10  # running jobs shown


def add_arguments(add: Add) -> None:
    add("--logs", type=Path, default=work_folder() / "results/logs", help="default: results/logs")
    add("--minutes", type=float, default=2, help="of runs that are not followed: recent logs")
    add("--curves", type=Path, nargs="+", metavar="FOLDER", help="seed folders: draw their logs")
    add("--once", action="store_true", help="print once and end")


def watch(args: argparse.Namespace) -> None:
    again = sys.stdout.isatty() and not args.once
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            lines = curves(args.curves) if args.curves else view(args.logs, args.minutes)
            print(("\033[2J\033[H" if again else "") + "\n".join(lines), flush=True)
            if not again:
                return
            time.sleep(EVERY)


def view(logs: Path, minutes: float) -> list[str]:
    """Return the lines about every run; of recent logs, if none is followed."""
    states = run_progress.running(logs.absolute().parents[1])
    lines = [line for state in states for line in run_lines(state, time.time())]
    return lines or last_lines(logs, minutes) or ["no run is working"]


def run_lines(state: State, now: float) -> list[str]:
    """Return one run as plain lines: the whole, its stages, its running jobs."""
    lines = [f"{' '.join(state['targets']) or 'run'} on {state['host']}: {headline(state, now)}"]
    for stage in run_progress.stage_progress(state, now):
        if stage.running or stage.failed:
            lines.append(f"  {stage.name} {_counts(stage)}")
    jobs = run_progress.job_progress(state, now)
    lines += [f"  {_job_line(job)}" for job in jobs[:HEIGHT]]
    if len(jobs) > HEIGHT:
        lines.append(f"  and {len(jobs) - HEIGHT} other jobs")
    return lines


def headline(state: State, now: float) -> str:
    """Return `31 of 120 jobs done, 2 running, about 14 min left`."""
    stages = state["stages"].values()
    done, failed = (sum(stage[name] for stage in stages) for name in ("done", "failed"))
    parts = [f"{done} of {state['total']} jobs done", f"{len(state['jobs'])} running"]
    if failed:
        parts.append(f"{failed} failed")
    left, complete = run_progress.time_left(state, now)
    if left is not None and left >= 1 and done + failed < state["total"]:
        parts.append(f"{'about' if complete else 'at least'} {duration(left)} left")
    return ", ".join(parts)


def opening(state: State, cores: int, footage: Mapping[str, Footage]) -> list[str]:
    """Return the first lines of a run: its videos by dataset, its jobs, and how long they take.

    The time is that of earlier jobs of this folder, or what the last `wstal plan` expected.
    """
    lines = [
        f"{name}: {each.count} videos, {duration(each.total)} of video ({each.source})"
        for name, each in footage.items()
    ]
    jobs = sum(state["waiting"].values())
    left, complete = run_progress.time_left(state, state["started"])
    if left is None:
        return [*lines, f"{jobs} jobs; how long they take: wstal plan {' '.join(state['targets'])}"]
    about = f"{'about' if complete else 'at least'} {duration(left / max(min(cores, jobs), 1))}"
    return [*lines, f"{jobs} jobs, {about} on {cores} core{'s' * (cores > 1)}"]


def duration(seconds: float) -> str:
    """Return `40 s`, `12 min` or `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def _counts(stage: run_progress.StageProgress) -> str:
    parts = [f"{stage.done}/{stage.total}"]
    if stage.videos:
        parts.append(f"{stage.videos} videos")
    if stage.rate:
        parts.append(f"{stage.rate:.1f} h of video/h")
    if stage.failed:
        parts.append(f"{stage.failed} failed")
    return ", ".join(parts)


def _job_line(job: JobProgress) -> str:
    text = f": {job.text[:160]}" if job.text else ""
    return f"{job.name} ({duration(job.seconds)}){text}"


def panel(state: State, now: float) -> RenderableType:
    """Return one run as a table for a terminal: stages with bars, running jobs, time left."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("stage", "jobs", "", "videos", "h of video/h", "failed"):
        table.add_column(name, justify="left" if name in ("stage", "") else "right")
    for stage in run_progress.stage_progress(state, now):
        bar = ProgressBar(max(stage.total, 1), stage.done, width=24)
        cells = [stage.videos or "", f"{stage.rate:.1f}" if stage.rate else "", stage.failed or ""]
        style = "bold" if stage.running else "dim" if stage.done == stage.total else ""
        counts = f"{stage.done}/{stage.total}"
        table.add_row(stage.name, counts, bar, *map(str, cells), style=style)
    jobs = run_progress.job_progress(state, now)
    lines = [Text(_job_line(job), no_wrap=True, overflow="ellipsis") for job in jobs[:HEIGHT]]
    if len(jobs) > HEIGHT:
        lines.append(Text(f"and {len(jobs) - HEIGHT} other jobs"))
    return Group(table, *lines, Text(headline(state, now), style="bold"))


def last_lines(folder: Path, minutes: float) -> list[str]:
    """One line per log written to within `minutes`, the latest last."""
    since = time.time() - 60 * minutes
    logs = [(path.stat().st_mtime, path) for path in folder.rglob("*.log")]
    return [
        f"{path.relative_to(folder).with_suffix('')}: {run_progress.log_progress(path)[0]}"
        for modified, path in sorted(logs)
        if modified >= since
    ]


def curves(folders: Sequence[Path], width: int = 60) -> list[str]:
    """Return a line per column of each training log: its course, first, last and extreme values."""
    lines = []
    for folder in folders:
        path, rows = training_log(folder)
        if not rows:
            lines.append(f"{path}: no row yet")
            continue
        lines.append(f"{path}: {len(rows)} rows, iteration {rows[-1]['iteration']}")
        names = [name for name in rows[0] if name != "iteration"]
        wide = max(map(len, names), default=0)
        for name in names:
            values = [float(row[name]) for row in rows if row.get(name)]
            if values:
                ends = f"{values[0]:.4g} -> {values[-1]:.4g}"
                span = f"[{min(values):.4g}, {max(values):.4g}]"
                lines.append(f"  {name:{wide}} {sparkline(values, width)} {ends} {span}")
    return lines


def training_log(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Return the log of a run and seed that trains or has finished, and its whole rows."""
    paths = [folder / "log.part.csv", folder / "log.csv"]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise WstalError(f"{folder} has no log.csv: give a folder .../{{run}}/seed{{n}}")
    text = path.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()  # the last one may be half written
    rows = list(csv.DictReader(lines))
    return path, [row for row in rows if None not in row.values()]


def sparkline(values: Sequence[float], width: int) -> str:
    """Return values as blocks, from their least to their largest; means where they are many."""
    count = min(width, len(values))
    edges = [round(place * len(values) / count) for place in range(count + 1)]
    spans = [values[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    means = [sum(span) / len(span) for span in spans]
    low, high = min(means), max(means)
    step = (high - low) / (len(BLOCKS) - 1) or 1.0
    return "".join(BLOCKS[round((mean - low) / step)] if mean == mean else "?" for mean in means)


COMMAND = Program(__doc__, add_arguments, watch)
