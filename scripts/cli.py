"""What every entry script shares: its parser, JSON arguments and progress."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm


def parser(docstring: str) -> argparse.ArgumentParser:
    """An argument parser whose help is the script's docstring, line breaks kept."""
    return argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def json_argument(text: str) -> Any:
    """Parse JSON text, or the file named after an `@`."""
    try:
        return json.loads(Path(text[1:]).read_text() if text.startswith("@") else text)
    except (OSError, json.JSONDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}") from error


def track(description: str, unit: str = "video") -> Callable[[Iterable], Iterable]:
    """A wrapper for iterables: a bar at a terminal, one rate line per item in a log."""
    if sys.stderr.isatty():
        return lambda items: tqdm(items, desc=description, unit=unit, dynamic_ncols=True)
    return lambda items: _log_lines(items, description, unit)


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
    told = start
    for chunk in chunks:
        yield chunk
        done, now = done + len(chunk), time.monotonic()
        if now - told >= every:
            told, rate = now, done / (now - start)
            left = max(total - done, 0) / rate
            print(
                f"{description} {video} {done:,} of {total:,} frames, {rate:.1f} frames/s, "
                f"{left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


def byte_bar(pieces: Iterable[bytes], done: int, total: int) -> Iterator[bytes]:
    """Progress of a download: a bar at a terminal, a line per five percent in a log."""
    quiet = not sys.stderr.isatty()
    with tqdm(total=total or None, initial=done, unit="B", unit_scale=True, disable=quiet) as bar:
        told = done
        for piece in pieces:
            done += len(piece)
            bar.update(len(piece))
            if quiet and done - told >= max(total / 20, 1 << 24):
                told = done
                print(f"{done:,} of {total:,} bytes", file=sys.stderr, flush=True)
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
        print(
            f"{description} {done}/{len(items)} {name} {now - before:.2f} s, {rate:.2f} {unit}/s",
            file=sys.stderr,
            flush=True,
        )
