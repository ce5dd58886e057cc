"""What people read when a run of Snakemake ends: stopped, failed, or done."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wstal.config.run_progress import last_lines

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
        started, *words = self._command
        if started == "-c":  # as `wstal run` starts Snakemake
            place = words.index("--snakefile") if "--snakefile" in words else len(words)
            words = words[:place] + words[place + 2 :]
            words = ["wstal", "run", *(word for word in words if word != "--logger=wstal")]
        else:
            words = ["snakemake", *words]
        return f"stopped: what is finished is kept; to go on: {shlex.join(words)}"


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


def report_failure(failed: Sequence[Mapping[str, Any]], log: Log) -> None:
    """Log the first failure of a run, and how many came after it."""
    if failed:
        others = len(failed) - 1
        more = f"  and {others} other job{'s' * (others > 1)}" if others else ""
        last = "What is finished is kept: run the same command again once the cause is removed."
        log("\n".join(filter(None, ["", *first_cause(failed[0]), more, last])))


def headline_files(targets: Iterable[str], inputs: Iterable[str]) -> list[str]:
    """Return the headlines among the targets of a run, or else among the inputs of its targets."""
    for paths in (targets, inputs):
        found = [str(path) for path in paths if str(path).endswith("_map.csv")]
        if found:
            return list(dict.fromkeys(found))
    return []


def summary(paths: Sequence[str], table: Callable[[Sequence[Path]], str]) -> list[str]:
    """Return the lines at the end of a run: headlines, videos left out, page and report.

    `paths` are the headlines that it made, `table` gives their text.
    """
    there = [path for path in paths if Path(path).is_file()]
    if not there:
        return []
    lines = ["", table([Path(path) for path in there[:SHOWN]])]
    if len(there) > SHOWN:
        lines.append(f"and {len(there) - SHOWN} other headlines: {' '.join(there[SHOWN:])}")
    lines += left_out(there)
    for path in there[:SHOWN]:
        page = Path(path).parent / Path(path).name.removesuffix("_map.csv") / "viewer.html"
        made = page if page.is_file() else f"snakemake --cores 1 {page}"
        lines.append(f"{'page' if page.is_file() else 'a page of it'}: {made}")
    report = Path("results/report.html")
    newest = max(Path(path).stat().st_mtime for path in there)
    if report.is_file() and report.stat().st_mtime >= newest:
        lines.append(f"report: {report}")
    else:
        lines.append(f"a report: snakemake --report {report} -- {' '.join(there[:SHOWN])}")
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
