"""The one door to pictures: which decoders there are, and frames in order, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wstal.base.array_store import open_arrays
from wstal.base.errors import MediaError, WstalError
from wstal.base.files import path_from
from wstal.media.decoders import MODULES
from wstal.media.pictures import Converter
from wstal.media.scan import Decoder
from wstal.media.timeline import Timeline, lay_grid

if TYPE_CHECKING:
    import h5py

DEFAULT = "pyav"
CHUNK_BYTES = 16 * 2**20  # of pictures yielded at a time, however large they are


def load_decoder(name: str) -> Decoder:
    """Return the decoder that a recipe names: pyav, decord or torchcodec.

    Raises WstalError for another name, or with the reason why the decoder does not load here.
    """
    if name not in MODULES:
        raise WstalError(f"decoder {name!r} is not one of {', '.join(MODULES)}")
    try:
        return import_module(MODULES[name])
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WstalError(
            f"decoder {name} does not load here ({reason}); install it, or name another one in "
            f"the recipe under frames: decoder ({', '.join(MODULES)})"
        ) from error


def read_timeline(path: str | Path, fps: float) -> Timeline:
    """Decode all of `path` and lay the grid of k/`fps` seconds over the frames that came.

    PyAV decodes, whatever the recipe's decoder is: there is one clock. Raises MediaError, naming
    the file, if it cannot be opened or no frame decodes.
    """
    return lay_grid(load_decoder(DEFAULT).scan(path), fps)


def choose_decoder(path: str | Path, frame_index: np.ndarray, decoder: str) -> tuple[str, str]:
    """Return the decoder for the pictures of a timeline, and why it is not `decoder` ("": it is).

    Another decoder than PyAV is used if it gives the same picture, to the bit, at every time of
    the grid. So no result depends on the decoder. Raises WstalError if `decoder` does not load.
    """
    if decoder == DEFAULT:
        return decoder, ""
    wanted = np.unique(frame_index)
    given = [load_decoder(name).pictures(path, wanted, _digest) for name in (DEFAULT, decoder)]
    compared = 0
    try:
        for frame, (expected, other) in zip(wanted, zip(*given, strict=False), strict=False):
            if other != expected:
                return DEFAULT, f"{decoder} is not used: it gives another picture {frame} than pyav"
            compared += 1
    except MediaError as error:
        return DEFAULT, f"{decoder} is not used: {error}"
    if compared < len(wanted):
        return DEFAULT, f"{decoder} is not used: it gives {compared} of {len(wanted)} pictures"
    return decoder, ""


def _digest(picture: np.ndarray) -> str:
    code = hashlib.blake2b(np.ascontiguousarray(picture), digest_size=16).digest()
    return f"{picture.shape} {code.hex()}"


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
    """Yield the pictures of the decoded frames `frame_index` (int [N], never decreasing).

    Chunks are uint8 [n, h, w, 3] (`rgb`) or [n, h, w] (`gray`: OpenCV's gray of the decoded
    picture), rotation applied, resized to `short_side` with `interpolation`; N pictures in all.
    n is at most `chunk`, and less where pictures are large: do not rely on it. Raises MediaError
    if the file does not give all frames, WstalError for arguments out of range.
    """
    index = np.asarray(frame_index, dtype=np.int64)
    if len(index) and (index[0] < 0 or (np.diff(index) < 0).any()):
        raise WstalError(f"{path}: frame indices must be 0 or more and never decrease")
    convert = Converter(pixels, short_side, interpolation)
    wanted, counts = np.unique(index, return_counts=True)
    pictures = load_decoder(decoder).pictures(path, wanted, convert)
    return _count_frames(path, chunked(_repeat(pictures, counts), chunk), len(index))


def open_frames(
    frames_file: str | Path,
    wanted: np.ndarray | None = None,
    *,
    pixels: str = "rgb",
    short_side: int | None = None,
    interpolation: str = "bilinear",
    chunk: int = 64,
) -> Iterator[np.ndarray]:
    """Yield the pictures on the grid of a file of the frames stage, in order; as `read_frames`.

    They are read from the file if it holds pictures, else the video is decoded again. `wanted` has
    the frames of the grid that are needed, increasing; the others are neither converted nor
    resized. None: all.
    """
    import hdf5plugin  # noqa: F401  registers the compression of cached pictures

    with open_arrays(frames_file) as file:
        if "rgb" not in file:
            index = file["frame_index"][()]
            index = index if wanted is None else index[wanted]
            video, decoder = path_from(file.attrs["video"]), file.attrs["decoder"]
        else:
            convert = Converter(pixels, short_side, interpolation)
            wanted = np.arange(len(file["rgb"])) if wanted is None else wanted
            stored = (convert(picture) for picture in _stored(file["rgb"], wanted))
            yield from chunked(stored, chunk)
            return
    size = {"pixels": pixels, "short_side": short_side, "interpolation": interpolation}
    yield from read_frames(video, index, **size, decoder=decoder, chunk=chunk)


def _stored(pictures: h5py.Dataset, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the wanted pictures of a file; chunks without any are not read."""
    rows = pictures.chunks[0]
    for chunk, part in groupby(wanted.tolist(), lambda frame: frame // rows):
        read = pictures[chunk * rows : (chunk + 1) * rows]
        for frame in part:
            yield read[frame % rows]


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


def _repeat(pictures: Iterator[np.ndarray], counts: np.ndarray) -> Iterator[np.ndarray]:
    for picture, count in zip(pictures, counts, strict=False):
        for _ in range(count):
            yield picture


def _count_frames(
    path: str | Path, chunks: Iterator[np.ndarray], expected: int
) -> Iterator[np.ndarray]:
    """Yield the chunks; raise MediaError after them if they are not `expected` pictures."""
    count = 0
    for chunk in chunks:
        count += len(chunk)
        yield chunk
    if count != expected:
        raise MediaError(
            f"{path}: gave {count} of {expected} frames of its timeline; if the file changed since "
            "it was probed, run the probe again"
        )
