"""What people read when a run of Snakemake ends: stopped, failed, or done."""

from __future__ import annotations

import csv
import logging
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wstal.config.run_progress import last_lines
from wstal.config.targets import asked_for, named_first

CAUSE = 300  # characters of a message that are shown; the log has all of it
SHOWN = 8  # headlines at the end of a run
Log = Callable[[str], object]


class Interrupt:
    """Lets Ctrl-C end Snakemake in one line and with status 130.

    Snakemake itself ends with 1, after a report about each job that the same Ctrl-C has ended.
    `say` prints a line when its logger has ended.
    """

    def __init__(self, logger: logging.Logger, command: Sequence[str], say: Log) -> None:
        self.came, self._say = False, say
        self._logger, self._command = logger, command
        self._exit, self._report = sys.exit, sys.excepthook

    def install(self) -> None:
        """Take SIGINT, unless it is ignored, as for a command that a shell runs in background."""
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: object) -> NoReturn:
        if not self.came:
            self.came = True
            self._logger.addFilter(lambda record: False)
            sys.exit, sys.excepthook = self._end, self._end_uncaught
        raise KeyboardInterrupt

    def _end(self, status: object = None) -> NoReturn:
        sys.exit = self._exit
        self._say(self._line())
        raise SystemExit(128 + signal.SIGINT)

    def _end_uncaught(self, kind: type, error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):  # Python then ends itself by the same signal
            self._say(self._line())
        else:
            self._report(kind, error, trace)

    def _line(self) -> str:
        again = shlex.join(typed_words(self._command))
        return f"stopped: what is finished is kept; to go on: {again}"


def typed_words(command: Sequence[str]) -> list[str]:
    """Return the words that a person types for this process's command line, `sys.argv`."""
    started, *words = command
    if started != "-c":
        return ["snakemake", *words]
    # as `wstal run` starts Snakemake
    place = words.index("--snakefile") if "--snakefile" in words else len(words)
    words = words[:place] + words[place + 2 :]
    return ["wstal", "run", *(word for word in words if word != "--logger=wstal")]


def command_for(targets: Sequence[str], command: Sequence[str]) -> str:
    """Return the command line of this run with other targets and the same options."""
    words = typed_words(command)
    first = 2 if words[0] == "wstal" else 1
    asked = {*asked_for(words), *named_first(words[first - 1 :])}
    kept = [word for word in words[first:] if word not in asked]
    return shlex.join([*words[:first], *targets, *kept])


def first_cause(failed: Mapping[str, Any]) -> list[str]:
    """Return three lines about a job that failed: which one, its last words, its log.

    `failed` has a rule, its outputs and its logs, as Snakemake names them.
    """
    rule = failed.get("rule_name") or failed.get("rule") or "a group"
    output, log = (_first(failed.get(name)) for name in ("output", "log"))
    lines = last_lines(Path(log)) if log else []
    cause = lines[-1] if lines else "it ended without a message"
    cause = cause if len(cause) <= CAUSE else f"{cause[:CAUSE]} ..."
    return [f"failed: {rule}{f' of {output}' if output else ''}", f"  {cause}", f"  log: {log}"]


def _first(value: Any) -> str:
    return value if isinstance(value, str) else next(iter(value or []), "")


def report_failure(failed: Sequence[Mapping[str, Any]], log: Log, seconds: float = 0.0) -> None:
    """Log the first failure of a run, which jobs failed after it, and after how long it ended."""
    if failed:
        others = [_first(each.get("output")) or str(each.get("rule")) for each in failed[1:]]
        more = f"  and {len(others)} other job{'s' * (len(others) > 1)}: " if others else ""
        more += ", ".join(others[:SHOWN]) + " ..." * (len(others) > SHOWN)
        last = "What is finished is kept: run the same command again once the cause is removed."
        took = f"It ended after {duration(seconds)}." if seconds else ""
        log("\n".join(filter(None, ["", *first_cause(failed[0]), more, took, last])))


def duration(seconds: float) -> str:
    """Return seconds as people say them: `48 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), 2)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def headline_files(targets: Iterable[str], inputs: Iterable[str]) -> list[str]:
    """Return the headlines among the targets of a run, or else among the inputs of its targets."""
    for paths in (targets, inputs):
        found = [str(path) for path in paths if str(path).endswith("_map.csv")]
        if found:
            return list(dict.fromkeys(found))
    return []


def summary(
    paths: Sequence[str],
    table: Callable[[Sequence[Path]], str],
    command: Sequence[str] = ("snakemake", "--cores", "1"),
    seconds: float = 0.0,
) -> list[str]:
    """Return the lines at the end of a run: headlines, videos, page and report, time taken.

    `paths` are the headlines that it made, `table` gives their text. `command` is this process's
    command line, whose options the commands for page and report repeat.
    """
    there = [path for path in paths if Path(path).is_file()]
    if not there:
        return []
    lines = ["", table([Path(path) for path in there[:SHOWN]])]
    if len(there) > SHOWN:
        lines.append(f"and {len(there) - SHOWN} other headlines: {' '.join(there[SHOWN:])}")
    lines += [*videos_used(there), *left_out(there)]
    for path in there[:SHOWN]:
        folder = Path(path).parent / Path(path).name.removesuffix("_map.csv")
        page = folder / "viewer.html"
        if page.is_file():
            lines.append(f"page: {page.absolute().as_uri()}")
        else:
            lines.append(f"a page of it: {command_for([str(page)], command)}")
        old = [str(each) for each in (page, folder / "operating.csv") if is_older(each, Path(path))]
        if old:
            renew = command_for(old, command)
            lines.append(f"{' and '.join(old)}: older than these results; to renew: {renew}")
    report = Path("results/report.html")
    newest = max(Path(path).stat().st_mtime for path in there)
    if report.is_file() and report.stat().st_mtime >= newest:
        lines.append(f"report: {report.absolute().as_uri()}")
    else:
        lines.append(f"a report: {command_for(there[:SHOWN], command)} --report {report}")
    return [*lines, f"It took {duration(seconds)}."] if seconds else lines


def is_older(path: Path, headline: Path) -> bool:
    """Return whether the page or operating.csv of a run is older than what it is made from."""
    seeds = headline.parent / _strict_row(headline).get("recipe", "") / path.parent.name
    if path.name == "viewer.html":  # a page shows the first seed
        sources = sorted(seeds.glob("seed*/map.csv"))[:1]
    else:
        sources = [headline.parent / "annotations.json", *seeds.glob("seed*/proposals.json")]
    times = [each.stat().st_mtime for each in sources if each.is_file()]
    return path.is_file() and bool(times) and path.stat().st_mtime < max(times)


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def _strict_row(headline: Path) -> dict[str, str]:
    return next((each for each in _rows(headline) if each["reading"] == "strict"), {})


def videos_used(paths: Iterable[str]) -> list[str]:
    """Return a line per headline: what the videos of each split with features were used for."""
    lines = []
    for path in map(Path, paths):
        rows, row = _rows(path), _strict_row(path)
        coverage = path.parent / row.get("recipe", "") / "coverage.csv"
        if not row.get("recipe") or not coverage.is_file():
            continue
        counts = Counter(each["split"] for each in _rows(coverage) if each["rows"] != "0")
        chosen = any(
            each["checkpoint"] == "best_val" and each["run"] == row["run"] for each in rows
        )
        uses = {
            "train": "to train on",
            "val": "to choose the checkpoint" if chosen else "not used",
            "test": "to score",
        }
        used = [f"{counts[split]} {use} ({split})" for split, use in uses.items() if counts[split]]
        lines.append(f"videos of {path.name}: {', '.join(used)}")
    return lines


def left_out(paths: Iterable[str]) -> list[str]:
    """Return a line per dataset whose videos do not all have features."""
    lines = []
    for folder in dict.fromkeys(Path(path).parent for path in paths):
        for path in sorted(folder.glob("*/completeness.csv")):
            words = path.read_text(encoding="utf-8").splitlines()[-1].split(",")
            if words[1:2] and words[1].isdigit() and int(words[1]):
                coverage = path.with_name("coverage.csv")
                lines.append(f"{words[1]} of {words[0]} videos have no features; why: {coverage}")
    return lines
