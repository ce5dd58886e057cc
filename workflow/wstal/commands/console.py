"""The frame that commands and jobs share: arguments, errors as messages, progress.

Code digests leave this module out: a change here reruns no job. Keep it free of anything that
a result depends on.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from wstal.base.errors import DiskFullError, WstalError
from wstal.base.gpu_use import GpuUse
from wstal.base.job_environment import started_by
from wstal.base.memory import isolate
from wstal.base.process import GONE, Process, end_while_importing
from wstal.base.text_files import parse_json, read_json
from wstal.config.installation import ROOT

WEIGHTS = ROOT / "workflow/reference/weights"  # what is known about public weights; small ones

IS_JOB = Path(sys.argv[0]).resolve().parent == ROOT / "scripts"
if IS_JOB:  # it imports this first
    end_while_importing()

EXTRAS = {  # packages that an installation may lack, and the extra that has them
    "decord": "decord",
    "torchvision": "backbones",
    "pytorchvideo": "backbones",
    "fvcore": "backbones",
    "transformers": "transformers",
    "timm": "timm",
    "open_clip": "open_clip",
    "huggingface_hub": "transformers",
    "torchvggish": "vggish",
    "resampy": "resampy",
    "stream_unzip": "archives",
    "tensorboard": "tensorboard",
    "librosa": "check",
}
Add = Callable[..., argparse.Action]  # `add_argument` of a parser


@dataclass(frozen=True)
class Program:
    """A command or a job: its help text, its arguments and what it does with them."""

    about: str  # docstring of the module, with examples: printed by --help, line breaks kept
    add_arguments: Callable[[Add], None]
    main: Callable[[argparse.Namespace], int | str | None]  # gives what `sys.exit` takes
    passes_on: bool = False  # every word but --help goes to another program, as `args.words`
    stopped: Callable[[argparse.Namespace], str] = lambda args: "stopped"  # said after Ctrl-C
    isolated: bool = False  # a job on videos: one that it dies of costs no other

    def parser(self, name: str | None = None) -> argparse.ArgumentParser:
        """The parser; `name` is what the help calls the program (default: its file)."""
        parser = argparse.ArgumentParser(
            prog=name, description=self.about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        self.add_arguments(parser.add_argument)
        return parser

    def run(self, argv: list[str] | None = None, name: str | None = None) -> NoReturn:
        """Parse, run and exit: status 1 and a message for an expected error, 130 for Ctrl-C.

        SIGTERM ends the program as Ctrl-C does, with status 143. A job also ends when the
        Snakemake that started it is gone.
        """
        argv = sys.argv[1:] if argv is None else argv
        parser = self.parser(name)
        if self.passes_on and argv[:1] not in (["-h"], ["--help"]):
            args = argparse.Namespace(words=argv)
        else:
            args = parser.parse_args([_as_path(word, parser) for word in argv])
        for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show ends nothing
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        if self.isolated:
            isolate(warn)
        stop, status, failed = Stop(), None, True
        try:
            with stop, GpuUse() as use:
                status = self.main(args)
                sys.stdout.flush()
            failed = False
            if use.line and IS_JOB:
                log(use.line)
        except DiskFullError as error:
            log(str(error))
            sys.stdout.flush()
            os._exit(1)  # at Python's exit HDF5 writes what is left, and crashes
        except BrokenPipeError:  # the reader of a pipe has enough, as `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's exit
            failed, status = False, 128 + signal.SIGPIPE
        except (WstalError, OSError) as error:
            status = str(error)
        except ModuleNotFoundError as error:
            status = missing_package(error)
        except KeyboardInterrupt:
            stop.signal = stop.signal or signal.SIGINT
        except Exception:
            if stop.signal is None:  # else: made of an interrupt, as an import may do
                raise
        if failed and stop.signal is not None:
            log(self.stopped(args))
            status = 128 + stop.signal
        sys.exit(status)


def _as_path(word: str, parser: argparse.ArgumentParser) -> str:
    """The word; a file whose name begins with a dash as `./-name`, as a shell's `*` gives it."""
    option = word.partition("=")[0] in parser._option_string_actions
    return f"./{word}" if word.startswith("-") and not option and Path(word).exists() else word


class Stop:
    """A block that Ctrl-C and SIGTERM, unless they are ignored, end by a KeyboardInterrupt.

    It is raised until the block has ended: Python drops what is raised in a finalizer, and
    libraries what is raised in their callbacks.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)
    AGAIN = 1.0  # s

    def __init__(self) -> None:
        self.signal: int | None = None  # the one that came
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        sys.unraisablehook = _without_interrupt
        with suppress(ValueError):  # signals belong to the main thread
            for number in self.SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._interrupt)
        run = started_by()
        if run is not None and self._before:
            threading.Thread(target=_end_with, args=(run,), daemon=True).start()

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            # A further signal would only disturb the exit.
            signal.signal(number, handler if self.signal is None else signal.SIG_IGN)

    def _interrupt(self, number: int, frame: object) -> None:
        self.signal = number
        again = threading.Timer(self.AGAIN, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        raise KeyboardInterrupt


def _end_with(run: Process, every: float = 1.0) -> None:
    while run.state() != GONE:
        time.sleep(every)
    os.kill(os.getpid(), signal.SIGTERM)


def _without_interrupt(unraisable: Any) -> None:
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):  # which `Stop` raises again
        sys.__unraisablehook__(unraisable)


def missing_package(error: ModuleNotFoundError) -> str:
    """Return how to install the package of an extra that is missing; any other error is raised."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        raise error
    command = f"pip install 'wstal[{EXTRAS[package]}]'"
    where = " (x86-64 only: elsewhere choose `decoder: pyav`)" if package == "decord" else ""
    return f"this needs the package {package}, which is not installed: {command}{where}"


def json_argument(text: str) -> Any:
    """Parse JSON text, or the file named after an `@`."""
    try:
        return read_json(text[1:]) if text.startswith("@") else parse_json(text, repr(text))
    except WstalError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_device(add: Add, default: str = "auto") -> None:
    """Add the device to compute on, in the words of `wstal.base.device.lease`."""
    add("--device", choices=("auto", "cuda", "cpu"), default=default, help=f"default: {default}")


def add_shard(add: Add, section: str) -> None:
    """Add what every job of a stage takes: its section of the recipe, code digest and manifest."""
    add("--recipe", type=json_argument, required=True, help=f"section {section}, JSON or @file")
    add("--code", required=True, help="digest of the code, part of each artefact's key")
    add("--output", type=Path, required=True, help="output: shard manifest; arrays beside it")


def add_labels(add: Add) -> None:
    """Add a dataset, its settings, its label files and what is published about it."""
    add("--dataset", required=True, help="the dataset's slug")
    add("--settings", type=json_argument, required=True, help="its YAML as JSON")
    add("--files", nargs="*", type=Path, default=[], help="its label files")
    add("--facts", type=Path, help="YAML of what is published about it")


def add_ground_truth(add: Add, required: bool = True) -> None:
    """Add what is scored: ground truth, subset, ambiguous list, coverage, grid of the features."""
    add("--ground-truth", type=Path, required=required, help="annotations.json or ActivityNet JSON")
    add("--subset", help="subset to score, in the ground truth's own word")
    add("--ambiguous", type=Path, help="list of ambiguous segments, lines `video start end`")
    add("--coverage", type=Path, help="coverage.csv: which videos have features (default: all)")
    add("--step", type=float, help="of the features, s; refuses snippets of another length")
    add("--t0", type=float, help="of the features, s; refuses snippets if it is not 0")


def add_protocol(add: Add, required: bool = True) -> None:
    """Add the evaluation protocol."""
    add("--protocol", required=required, help="name, YAML file or JSON of a protocol")


def log(line: str) -> None:
    """Print a line about the result to stderr, where it is not mixed with the result."""
    print(line, file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """Print a warning to stderr."""
    log(f"warning: {line}")


def track(description: str, unit: str = "video") -> Callable[[Iterable], Iterable]:
    """A wrapper for iterables: a bar at a terminal, one rate line per item in a log.

    One item alone has no bar.
    """
    if sys.stderr.isatty():
        return lambda items: _bar(items, description, unit)
    return lambda items: _log_lines(items, description, unit)


def _bar(items: Iterable, description: str, unit: str) -> Iterable:
    items = items if hasattr(items, "__len__") else list(items)
    alone = len(items) < 2
    return tqdm(items, desc=description, unit=unit, dynamic_ncols=True, disable=alone)


def within(description: str, every: float = 20) -> Callable[..., Iterator]:
    """Progress inside a video: a bar at a terminal, in a log a line each `every` seconds."""
    return _picture_bar if sys.stderr.isatty() else partial(_picture_lines, description, every)


def _picture_bar(video: str, chunks: Iterable, total: int) -> Iterator:
    with tqdm(total=total, desc=f"  {video}", unit="frame", leave=False, dynamic_ncols=True) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))


def _picture_lines(
    description: str, every: float, video: str, chunks: Iterable, total: int
) -> Iterator:
    done, start = 0, time.monotonic()
    printed = start
    for chunk in chunks:
        yield chunk
        done, now = done + len(chunk), time.monotonic()
        if now - printed >= every:
            printed, rate = now, done / (now - start)
            left = max(total - done, 0) / rate
            log(
                f"{description} {video} {done:,} of {total:,} frames, {rate:.1f} frames/s, "
                f"{left:.0f} s left"
            )


def byte_bar(pieces: Iterable[bytes], done: int, total: int) -> Iterator[bytes]:
    """Progress of a download: a bar at a terminal, a line per five percent in a log."""
    quiet = not sys.stderr.isatty()
    with tqdm(total=total or None, initial=done, unit="B", unit_scale=True, disable=quiet) as bar:
        printed = done
        for piece in pieces:
            done += len(piece)
            bar.update(len(piece))
            if quiet and done - printed >= max(total / 20, 1 << 24):
                printed = done
                log(f"{done:,} of {total:,} bytes")
            yield piece


def _log_lines(items: Iterable, description: str, unit: str) -> Iterator:
    items = items if hasattr(items, "__len__") else list(items)
    start = time.monotonic()
    for done, item in enumerate(items, 1):
        before = time.monotonic()
        yield item
        now = time.monotonic()
        name = getattr(item, "id", "")
        rate = done / max(now - start, 1e-9)
        log(f"{description} {done}/{len(items)} {name} {now - before:.2f} s, {rate:.2f} {unit}/s")
