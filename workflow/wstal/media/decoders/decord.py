"""decord, the second decoder: exact in sequence, strict about damage.

A reader decodes ahead without bound while it waits, and its random access is wrong in files
whose index counts packets without a picture. So pictures are read in sequence, a window at a
time; each window has a new reader that must repeat the pictures before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import decord
import numpy as np

from wstal.base.errors import MediaError
from wstal.media.scan import check_video

WINDOW_BYTES = 128 * 2**20  # of decoded pictures per reader; larger files need several readers
OVERLAP = 5  # pictures that a new reader must repeat before it is trusted


def pictures(
    path: str | Path, wanted: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield the converted pictures of `wanted`; see `Decoder`."""
    end = int(wanted[-1]) + 1 if len(wanted) else 0
    first, tail, keep = 0, [], set(wanted.tolist())
    while first < end:
        reader, converted, room = _positioned(path, first, tail), [], WINDOW_BYTES
        while first < end and room > 0:
            picture = _next(path, reader)
            if first in keep:
                converted.append(convert(picture))
            tail = [*tail[1 - OVERLAP :], picture]
            first, room = first + 1, room - picture.nbytes
        del reader  # before the slow consumer continues
        yield from converted


def _positioned(path: str | Path, first: int, tail: list[np.ndarray]) -> decord.VideoReader:
    """Return a new reader whose next picture is `first`, verified by the `tail` before it."""
    reader = _reader(path)
    if first:
        reader.seek_accurate(first - len(tail))
        if not all(np.array_equal(_next(path, reader), picture) for picture in tail):
            reader = _reader(path)
            for _ in range(first):
                _next(path, reader)
    return reader


def _reader(path: str | Path) -> decord.VideoReader:
    try:
        check_video(path)
        return decord.VideoReader(str(path), num_threads=1)
    except (decord.DECORDError, RuntimeError, OSError, ValueError) as error:
        raise MediaError(f"{path}: decord cannot open it: {_line(error)}") from error


def _next(path: str | Path, reader: decord.VideoReader) -> np.ndarray:
    try:
        return reader.next().asnumpy()
    except (decord.DECORDError, RuntimeError, StopIteration) as error:
        raise MediaError(
            f"{path}: decord stops at damage ({_line(error)}); decoder: pyav keeps what decodes"
        ) from error


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
