"""What `snakemake --logger wstal` shows: stages, running jobs and the time left.

At a terminal it is a view that is renewed; in a log a few lines every minute. Warnings, the first
cause of each failure and the summary at the end are printed once, above the view. `wstal run`
asks for it. Snakemake finds this package by its name, and imports it at every start: what is slow
to import waits for the first job.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase

LOG_EVERY = 60.0  # s between the lines in a log
_NEWS = ("Nothing to be done",)  # of Snakemake's own messages


def _progress() -> Any:
    """Return what follows this run (`wstal.config.run_progress`), once the rules have been read."""
    module = sys.modules.get("wstal.config.run_progress")
    return module.current() if module else None


class LogHandler(LogHandlerBase):
    """The handler that Snakemake gives its records to."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # `_is_shown`: counting needs no record, `run_progress` hears them itself
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._live = None
        self.terminal = sys.stderr.isatty()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record that is news; start the view with the first job."""
        with suppress(BrokenPipeError):
            event = getattr(record, "event", None)
            if event == "run_info" and self._thread is None and not self.common_settings.dryrun:
                self._thread = threading.Thread(target=self._show, daemon=True)
                self._thread.start()
            if event in ("job_error", "group_error"):
                from wstal.config.run_end import first_cause

                first, _, log = first_cause(vars(record))  # its words come at the end of the run
                self._print(f"{first};{log[1:]}")
            elif self._is_shown(record):
                self._print(self.format(record))

    def _is_shown(self, record: logging.LogRecord) -> bool:
        if getattr(record, "wstal", False) or record.levelno == logging.WARNING:
            return True
        if record.levelno > logging.WARNING:  # of jobs, `report_failure` says what matters
            progress = _progress()
            of_a_job = getattr(record, "exception", "") == "RuleException"
            return not (of_a_job or (progress and progress.state["failed"]))
        return str(record.msg or "").startswith(_NEWS)

    def _print(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _show(self) -> None:
        if self.terminal:
            self._show_view()
        else:
            while not self._ended.wait(LOG_EVERY):
                self._print(time.strftime("%H:%M ") + "\n".join(self._lines()))

    def _show_view(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from wstal.commands.watch import EVERY, panel

        console = Console(stderr=True, no_color=self.common_settings.nocolor)
        with Live(console=console, auto_refresh=False, transient=True) as live:
            self._live = live
            while not self._ended.is_set():
                if (progress := _progress()) is not None:
                    live.update(panel(progress.snapshot(), time.time()), refresh=True)
                self._ended.wait(EVERY)
            self._live = None

    def _lines(self) -> list[str]:
        from wstal.commands.watch import run_lines

        progress = _progress()
        return run_lines(progress.snapshot(), time.time()) if progress else []

    def close(self) -> None:
        """Take the view from the screen."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        super().close()
