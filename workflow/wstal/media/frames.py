"""The one door to frames: pictures on the time grid, in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.media.decoders.scan import backend
from wstal.media.pictures import Converter

CHUNK_BYTES = 16 * 2**20  # of pictures handed out at a time, however large they are


def read_frames(
    path: str | Path,
    frame_index: np.ndarray,
    *,
    pixels: str = "rgb",
    short_side: int | None = None,
    interpolation: str = "bilinear",
    decoder: str = "pyav",
    chunk: int = 64,
) -> Iterator[np.ndarray]:
    """Pictures of the decoded frames `frame_index` (int [N], never decreasing), N in all.

    Yields uint8 [n, h, w, 3] (`rgb`) or [n, h, w] (`gray`: what OpenCV makes of the decoded
    picture), rotation applied, resized to `short_side` with `interpolation`. n is at most
    `chunk`, less where pictures are large: do not count on it. Raises MediaError if the file
    does not give all frames, WstalError for arguments out of range.
    """
    index = np.asarray(frame_index, dtype=np.int64)
    if len(index) and (index[0] < 0 or (np.diff(index) < 0).any()):
        raise WstalError(f"{path}: frame indices must be 0 or more and never decrease")
    convert = Converter(pixels, short_side, interpolation)
    wanted, counts = np.unique(index, return_counts=True)
    read = backend(decoder).pictures(path, wanted, convert)
    return _checked(path, chunked(_repeated(read, counts), chunk), len(index))


def open_frames(
    frames_file: str | Path,
    *,
    pixels: str = "rgb",
    short_side: int | None = None,
    interpolation: str = "bilinear",
    chunk: int = 64,
) -> Iterator[np.ndarray]:
    """Pictures on the grid of a file of the frames stage, in order; as `read_frames`.

    They come from the file where it holds pixels, else the video is decoded again.
    """
    with h5py.File(frames_file, "r") as file:
        if "rgb" not in file:
            index = file["frame_index"][()]
            video, decoder = file.attrs["video"], file.attrs["decoder"]
        else:
            convert = Converter(pixels, short_side, interpolation)
            rows = file["rgb"].chunks[0]
            stored = (
                convert(picture)
                for first in range(0, len(file["rgb"]), rows)
                for picture in file["rgb"][first : first + rows]
            )
            yield from chunked(stored, chunk)
            return
    size = {"pixels": pixels, "short_side": short_side, "interpolation": interpolation}
    yield from read_frames(video, index, **size, decoder=decoder, chunk=chunk)


def _repeated(pictures: Iterator[np.ndarray], counts: np.ndarray) -> Iterator[np.ndarray]:
    for picture, count in zip(pictures, counts, strict=False):
        for _ in range(count):
            yield picture


def chunked(pictures: Iterator[np.ndarray], chunk: int) -> Iterator[np.ndarray]:
    """Stack pictures, at most `chunk` and at most CHUNK_BYTES at a time."""
    waiting: list[np.ndarray] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) >= min(chunk, max(1, CHUNK_BYTES // picture.nbytes)):
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def _checked(path: str | Path, chunks: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    done = 0
    for chunk in chunks:
        done += len(chunk)
        yield chunk
    if done != count:
        raise MediaError(
            f"{path}: gave {done} of {count} frames of its timeline; if the file changed since "
            "it was probed, run the probe again"
        )
