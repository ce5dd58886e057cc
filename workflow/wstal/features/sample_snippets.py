"""A few snippets straight from a video, outside any recipe: to check and to measure networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wstal.features.snippets import snippets
from wstal.flow import tvl1
from wstal.flow.chunks import flow_chunks
from wstal.timegrid import SNIPPET, snippet_count
from wstal.video.frames import read_frames
from wstal.video.timeline import timeline

FPS, BOUND = 25, 20  # of the published I3D features


def sample_snippets(
    path: str | Path, stream: str, most: int, *, short_side: int = 256, crop: int = 224
) -> Iterator[np.ndarray]:
    """The first snippets of a video, at most `most`, as the `i3d_{stream}` stages cut them.

    uint8 RGB `[16, crop, crop, 3]` (stream `rgb`) or int8 codes of TV-L1 flow
    `[16, crop, crop, 2]` (`flow`). Raises MediaError if the video does not decode.
    """
    frames = timeline(path, FPS).frame_index[: most * SNIPPET + 1]
    pixels = {"rgb": "rgb", "flow": "gray"}[stream]
    pictures = read_frames(path, frames, pixels=pixels, short_side=short_side)
    if stream == "flow":
        pictures = flow_chunks(pictures, tvl1, bound=BOUND)
    return snippets(pictures, min(most, snippet_count(len(frames))), crop)
