"""The verified timeline of a video: which decoded frame stands at each k/fps second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from wstal.base.array_store import OK, PARTIAL
from wstal.base.errors import WstalError
from wstal.media.clock import frame_step, frame_times, gaps
from wstal.media.decoders.scan import Scan, backend

# FOLDED The one time grid: frames at k/fps, snippets of 16 frames, seconds at every file border.
# FOLDED
# FOLDED Time 0 is the first decoded frame. Snippet l covers the seconds [t0 + l*step, t0 + (l+1)*step),
# FOLDED step = 16/fps.

SNIPPET = 16  # frames
TIE = 1e-6  # seconds; finer differences are floating point, not time


def frame_count(duration: float, fps: float) -> int:
    """N, the number of k >= 0 with k/fps < duration (seconds), at least 1."""
    return max(1, int(np.ceil((duration - TIE) * fps)))


def frame_grid(times: np.ndarray, duration: float, fps: float) -> np.ndarray:
    """The decoded frame nearest to each k/fps: int64 [N] from increasing seconds [F].

    Of two frames equally near (within a microsecond) the earlier one is taken.
    """
    times = np.asarray(times, dtype=np.float64)
    if not len(times):
        raise WstalError("a video without decoded frames has no time grid")
    borders = (times[:-1] + times[1:]) / 2 + TIE
    return np.searchsorted(borders, np.arange(frame_count(duration, fps)) / fps).astype(np.int64)


def snippet_count(frames: int, tail: Literal["drop", "repeat"] = "drop") -> int:
    """T for N frames: whole snippets, at least one (`drop`), or all begun ones (`repeat`)."""
    if tail not in ("drop", "repeat"):
        raise WstalError(f"tail is {tail!r}; it can be drop or repeat")
    return max(1, frames // SNIPPET if tail == "drop" else -(-frames // SNIPPET))


def snippet_step(fps: float) -> float:
    """Seconds per snippet."""
    return SNIPPET / fps


@dataclass(frozen=True)
class Timeline:
    """What decoding a whole video showed.

    `frame_index` int64 [N] names a decoded frame (0-based, in display order) for each grid
    point; `times` float64 [F] are seconds of all decoded frames from the first one on;
    `duration` is the last time plus one usual frame step, whatever the header says; `clock`
    tells where the times come from; `width` and `height` hold after `rotation` (degrees
    counter-clockwise) was applied; `gaps` counts holes in the times; `start` is the first
    frame's second on the file's own clock. `status` is ok or partial, `reason` says why.
    """

    frame_index: np.ndarray
    times: np.ndarray
    duration: float
    width: int
    height: int
    rotation: int
    status: str
    reason: str
    gaps: int
    clock: str
    start: float

    @property
    def frames(self) -> int:
        """Number of decoded frames."""
        return len(self.times)

    @property
    def fps(self) -> float:
        """Decoded frames per second, on average."""
        return self.frames / self.duration


def timeline(path: str | Path, fps: float, decoder: str = "pyav") -> Timeline:
    """Decode all of `path` and lay the k/`fps` grid over what came.

    Raises MediaError, naming the file, if it cannot be opened or no frame decodes; WstalError
    for an unknown decoder.
    """
    return lay_grid(backend(decoder).scan(path), fps)


def lay_grid(scan: Scan, fps: float) -> Timeline:
    """The timeline of a scanned video."""
    times, clock = frame_times(scan.pts, scan.dts, scan.rate)
    duration = float(times[-1]) + frame_step(times, scan.rate)
    holes, texts = gaps(times), list(scan.faults)
    if len(holes):
        texts.append(f"{len(holes)} gaps between frames, the longest {holes.max():.2f} s")
    if texts:
        of = f" of {scan.expected} announced" if scan.expected else ""
        texts.append(f"{len(times)}{of} frames decoded")
    return Timeline(
        frame_index=frame_grid(times, duration, fps),
        times=times,
        duration=duration,
        **{"width": scan.width, "height": scan.height, "rotation": scan.rotation},
        status=PARTIAL if texts else OK,
        reason="; ".join(texts),
        gaps=len(holes),
        clock=clock,
        start=scan.start,
    )
