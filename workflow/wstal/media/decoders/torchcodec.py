"""torchcodec, the third decoder; it loads only where FFmpeg's shared libraries are installed.

It finds frames by presentation time, so it refuses files that store none (AVI).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from torchcodec.decoders import VideoDecoder

from wstal.base.errors import MediaError
from wstal.media.scan import check_video

BATCH = 16  # pictures fetched at a time


def pictures(
    path: str | Path, wanted: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield the converted pictures of `wanted`; see `Decoder`."""
    keep, ordinal = set(wanted.tolist()), 0
    end = int(wanted[-1]) + 1 if len(wanted) else 0
    for batch in _batches(path, _decoder(path), end):
        for picture in batch.data.numpy():
            if ordinal in keep:
                yield convert(picture)
            ordinal += 1


def _decoder(path: str | Path) -> VideoDecoder:
    try:
        check_video(path)
        decoder = VideoDecoder(
            str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact"
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise MediaError(f"{path}: torchcodec cannot open it: {error}") from error
    if not len(decoder):
        raise MediaError(f"{path}: no frame decodes")
    return decoder


def _batches(path: str | Path, decoder: VideoDecoder, end: int) -> Iterator:
    for first in range(0, end, BATCH):
        try:
            yield decoder.get_frames_in_range(first, min(first + BATCH, end, len(decoder)))
        except (RuntimeError, IndexError) as error:
            raise MediaError(
                f"{path}: torchcodec stops ({error}); decoder: pyav keeps what decodes"
            ) from error
