"""What a run of Snakemake has done and still does, kept in a file that any terminal can read.

The main process listens to Snakemake's own events. A job's progress is the last line of its log,
and how much video it has is in the manifest of its shard, so that jobs on a cluster are followed
through the shared file system. `wstal watch` and the logger plugin show what is here.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import platform
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wstal.base.files import read_cached, write_cached
from wstal.base.process import ELSEWHERE, RUNS, read_process, this_process

FOLDER = Path(".snakemake/wstal/progress")  # in the folder that Snakemake works in
DURATIONS = "durations.json"  # seconds of earlier jobs, in FOLDER
EXPECTED = "expected.json"  # seconds of jobs by the last `wstal plan`
HEARTBEAT = 5.0  # s between two writings of the file
SILENT = 60.0  # s without a writing after which a run on another machine counts as ended
KEPT_SECONDS = 7 * 86400  # files of killed runs are removed after that
NOTHING = "Nothing to be done"  # how Snakemake's message begins, after which it runs no hook
_SAME = ("seed", "shard")  # wildcards that hardly change how long a job takes
_COUNT = re.compile(r"(?<![\d.])(\d+)/(\d+)\b")

State = dict[str, Any]


class RunProgress(logging.Handler):
    """A handler of Snakemake's log records that counts jobs; it prints nothing."""

    def __init__(self, folder: Path = FOLDER) -> None:
        super().__init__(logging.INFO)
        self.folder = folder.absolute()
        self.path = self.folder / f"{this_process()}.json".replace(":", "-")
        self.state: State = {
            "process": str(this_process()),
            "host": platform.node(),
            "root": str(Path.cwd()),
            "targets": [],
            "started": time.time(),
            "updated": time.time(),
            "total": 0,
            "stages": {},
            "jobs": {},
            "waiting": {},
            "failed": [],
        }
        expected = read_cached(self.folder / EXPECTED) or {}
        self._measured = read_cached(self.folder / DURATIONS) or {}
        self._known = expected | self._measured
        self._took: dict[str, list[float]] = {}
        self._ended = threading.Event()
        self.when_nothing: Callable[[], None] = lambda: None  # called if no job has to run

    def plan(self, targets: Iterable[str], jobs: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Take what is asked for, and the rule and the wildcards of every job that will run."""
        with self.lock:
            self.state["targets"] = list(targets)
            self.state["waiting"] = dict(Counter(job_kind(rule, names) for rule, names in jobs))

    def seconds(self) -> float:
        """Return how long the run has taken so far."""
        return time.time() - self.state["started"]

    def emit(self, record: logging.LogRecord) -> None:
        """Take an event; what cannot be read of it never ends a run."""
        with suppress(Exception):
            take = getattr(self, f"_{getattr(record, 'event', None) or 'other'}", None)
            if take is not None:
                take(record)

    def _other(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(NOTHING):
            self.when_nothing()

    def _run_info(self, record: logging.LogRecord) -> None:
        counts = {name: n for name, n in record.stats.items() if name != "total"}
        first = not self.state["total"]
        self.state["total"] = sum(counts.values())
        for rule, count in counts.items():
            self._stage(rule)["total"] = count
        if first:
            _remove_old(self.folder)
            self.write()
            threading.Thread(target=self._beat, daemon=True).start()

    def _job_info(self, record: logging.LogRecord) -> None:
        names = {name: str(value) for name, value in dict(record.wildcards or {}).items()}
        kind = job_kind(record.rule_name, names)
        waiting = self.state["waiting"]
        if kind in waiting:
            waiting[kind] -= 1
        stage = self._stage(record.rule_name)
        stage["first"] = stage["first"] or time.time()
        job = {"rule": record.rule_name, "wildcards": names, "kind": kind, "started": time.time()}
        job["log"] = next(iter(record.log or []), "")
        job["output"] = next(iter(record.output or []), "")
        job["videos"], job["seconds"] = shard_videos(names)
        self.state["jobs"][str(record.jobid)] = job

    def _job_finished(self, record: logging.LogRecord) -> None:
        job = self.state["jobs"].pop(str(record.job_id), None)
        if job is None:
            return
        now = time.time()
        stage = self._stage(job["rule"])
        videos, seconds = job["videos"], job["seconds"]
        if not videos:  # a probe: its own output is the manifest
            videos, seconds = shard_videos(job["wildcards"])
        stage["done"] += 1
        stage["videos"] += videos
        stage["video_seconds"] += seconds
        stage["busy"] += now - job["started"]
        stage["last"] = now
        self._took.setdefault(job["kind"], []).append(now - job["started"])

    def _job_error(self, record: logging.LogRecord) -> None:
        self.state["jobs"].pop(str(record.jobid), None)
        self._stage(record.rule_name)["failed"] += 1
        about = {"rule": record.rule_name, "log": next(iter(record.log or []), "")}
        about["output"] = next(iter(record.output or []), "")
        self.state["failed"].append(about)

    def _stage(self, rule: str) -> dict[str, Any]:
        numbers = ("done", "total", "failed", "videos", "video_seconds", "busy", "first", "last")
        return self.state["stages"].setdefault(rule, dict.fromkeys(numbers, 0))

    def snapshot(self) -> State:
        """Return the state now, with what is known of how long each kind of job takes."""
        with self.lock:
            state = json.loads(json.dumps(self.state))
            state["durations"] = self._known | self._means()
        return state

    def _means(self) -> dict[str, float]:
        return {kind: sum(all_) / len(all_) for kind, all_ in self._took.items()}

    def write(self, **changes: Any) -> None:
        """Write the file, where the folder can be written."""
        self.state |= {"updated": time.time(), **changes}
        write_cached(self.path, self.snapshot())

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            self.write()

    def close(self) -> None:
        """Remove the file; remember how long the jobs took."""
        if not self._ended.is_set():
            self._ended.set()
            if self._took:
                write_cached(self.folder / DURATIONS, self._measured | self._means())
            self.path.unlink(missing_ok=True)
        super().close()


_current: RunProgress | None = None


def follow(logger: logging.Logger) -> RunProgress:
    """Listen to Snakemake's logger from now on; `current()` returns what it hears."""
    global _current
    _current = RunProgress()
    logger.addHandler(_current)
    return _current


def current() -> RunProgress | None:
    """Return what follows this process's run, once the rules have been read."""
    return _current


def running(root: Path) -> list[State]:
    """Return the states of the runs that work in the folder `root`, the oldest first."""
    states = []
    for path in sorted((root / FOLDER).glob("[!.]*-*.json")):
        state = read_cached(path)
        process = read_process(state.get("process", "")) if isinstance(state, dict) else None
        if process is None:
            continue
        silent = time.time() - path.stat().st_mtime
        seen = process.state()
        if seen == RUNS or (seen == ELSEWHERE and silent < SILENT):
            states.append(state)
    return sorted(states, key=lambda state: state["started"])


def _remove_old(folder: Path) -> None:
    with suppress(OSError):
        for path in folder.glob("[!.]*-*.json"):
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink(missing_ok=True)


def job_kind(rule: str, wildcards: Mapping[str, Any]) -> str:
    """Return a name for the jobs that take about as long: all seeds or shards of a stage."""
    names = [f"{name}={wildcards[name]}" for name in sorted(wildcards) if name not in _SAME]
    return " ".join([rule, *names])


def shard_videos(wildcards: Mapping[str, str], root: Path = Path()) -> tuple[int, float]:
    """Return how many videos the shard of a job has, and their seconds; zeros if not known."""
    if not {"dataset", "shard"} <= set(wildcards):
        return 0, 0.0
    path = root / "results" / wildcards["dataset"] / "manifest" / f"shard{wildcards['shard']}.csv"
    with suppress(OSError, ValueError, KeyError, csv.Error):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["status"] in _USED]
        return len(rows), sum(float(row["duration"] or 0) for row in rows)
    return 0, 0.0


_USED = ("ok", "no_audio", "partial")


@dataclass(frozen=True)
class JobProgress:
    """What a running job has written about itself: `text`, and the share done (None: unknown)."""

    name: str
    text: str
    share: float | None
    seconds: float  # since its start


@dataclass(frozen=True)
class StageProgress:
    """A stage's jobs; `videos` and `rate` (hours of video per hour) are 0 where it has none."""

    name: str
    done: int
    total: int
    running: int
    failed: int
    videos: int
    rate: float


def job_progress(state: State, now: float) -> list[JobProgress]:
    """Return the running jobs, those that started first before the others."""
    root, found = Path(state["root"]), []
    for job in sorted(state["jobs"].values(), key=lambda job: job["started"]):
        text, share = log_progress(root / job["log"]) if job["log"] else ("", None)
        found.append(JobProgress(job_name(job), text, share, max(now - job["started"], 0)))
    return found


def job_name(job: Mapping[str, Any]) -> str:
    """Return `train demo/demo_i3d/co2net/seed0`."""
    order = ("dataset", "recipe", "run", "other", "table", "figure", "seed", "shard")
    names = job["wildcards"]
    parts = [f"{n}{names[n]}" if n in _SAME else names[n] for n in order if names.get(n)]
    return f"{job['rule']} {'/'.join(parts)}".strip()


def log_progress(path: Path) -> tuple[str, float | None]:
    """Return the last line of a log, and the share that its last `done/total` gives."""
    lines = last_lines(path)
    counts = (_COUNT.search(line) for line in reversed(lines))
    found = next((count for count in counts if count and int(count[2])), None)
    return (lines[-1] if lines else ""), int(found[1]) / int(found[2]) if found else None


def last_lines(path: Path, size: int = 4096) -> list[str]:
    """Return the lines at the end of a file that are not empty."""
    try:
        with path.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - size, 0))
            text = file.read().decode(errors="replace").replace("\r", "\n")
    except OSError:
        return []
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def stage_progress(state: State, now: float) -> list[StageProgress]:
    """Return the stages in the order of Snakemake's plan."""
    found = []
    jobs = list(zip(_by_start(state), job_progress(state, now), strict=True))
    for name, stage in state["stages"].items():
        own = [(job, progress) for job, progress in jobs if job["rule"] == name]
        shares = [(job, progress.share or 0.0) for job, progress in own]
        seconds = stage["video_seconds"] + sum(job["seconds"] * share for job, share in shares)
        videos = stage["videos"] + sum(int(job["videos"] * share) for job, share in shares)
        until = now if own else stage["last"]
        worked = until - stage["first"] if stage["first"] else 0
        rate = seconds / worked if worked > 1 else 0.0
        count = (stage["done"], stage["total"], len(own), stage["failed"], videos, rate)
        found.append(StageProgress(name, *count))
    return found


def _by_start(state: State) -> list[Mapping[str, Any]]:
    return sorted(state["jobs"].values(), key=lambda job: job["started"])


def time_left(state: State, now: float) -> tuple[float | None, bool]:
    """Return the seconds until everything is done, and whether every kind of job has been timed.

    A job takes as long as those of its kind did, in this run or an earlier one, or else as those
    of its rule; a running one that writes how far it is goes on at its own speed. As many run at
    once as have done so far. None if nothing is known.
    """
    known, stages = state["durations"], state["stages"]
    work, longest, complete, timed = 0.0, 0.0, True, False
    for job, progress in zip(_by_start(state), job_progress(state, now), strict=True):
        expected = _expected(job["kind"], known, stages)
        if progress.share:
            left = progress.seconds * (1 - progress.share) / progress.share
        elif expected is not None:
            left = max(expected - progress.seconds, 0.0)
        else:
            complete = False
            continue
        work, longest, timed = work + left, max(longest, left), True
    waiting = {kind: count for kind, count in state["waiting"].items() if count > 0}
    for kind, count in waiting.items():
        expected = _expected(kind, known, stages)
        if expected is None:
            complete = False
            continue
        work, longest, timed = work + count * expected, max(longest, expected), True
    if not timed and (state["jobs"] or waiting):
        return None, False
    busy = sum(stage["busy"] for stage in stages.values())
    busy += sum(now - job["started"] for job in state["jobs"].values())
    at_once = max(busy / max(now - state["started"], 1.0), 1.0)
    return max(work / at_once, longest), complete


def _expected(kind: str, known: Mapping[str, float], stages: State) -> float | None:
    if kind in known:
        return known[kind]
    rule = kind.split(" ")[0]
    stage = stages.get(rule)
    if stage and stage["done"]:
        return stage["busy"] / stage["done"]
    same = [seconds for other, seconds in known.items() if other.split(" ")[0] == rule]
    return sum(same) / len(same) if same else None
