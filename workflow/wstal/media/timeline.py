"""The time grid, and the verified timeline of a video: which decoded frame is at k/fps seconds.

Time 0 is the first decoded frame. Snippets are 16 frames of the grid; snippet l covers the
seconds [t0 + l*step, t0 + (l+1)*step), step = 16/fps. Files hold seconds, half-open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from wstal.base.array_store import OK, PARTIAL
from wstal.base.errors import WstalError
from wstal.media.clock import frame_step, frame_times, gaps
from wstal.media.scan import Scan

SNIPPET = 16  # frames
TIE = 1e-6  # seconds; finer differences are floating point, not time


def frame_count(duration: float, fps: float) -> int:
    """Return N, the number of k >= 0 with k/fps < duration (seconds), at least 1."""
    return max(1, int(np.ceil((duration - TIE) * fps)))


def frame_grid(times: np.ndarray, duration: float, fps: float) -> np.ndarray:
    """Return the decoded frame nearest to each k/fps: int64 [N], from increasing seconds [F].

    Of two frames that are equally near (within a microsecond) the earlier one is taken.
    """
    times = np.asarray(times, dtype=np.float64)
    if not len(times):
        raise WstalError("a video without decoded frames has no time grid")
    borders = (times[:-1] + times[1:]) / 2 + TIE
    return np.searchsorted(borders, np.arange(frame_count(duration, fps)) / fps).astype(np.int64)


def snippet_count(frames: int, tail: Literal["drop", "repeat"] = "drop") -> int:
    """Return T for N frames: whole snippets, at least one (`drop`), or all begun (`repeat`)."""
    if tail not in ("drop", "repeat"):
        raise WstalError(f"tail is {tail!r}; it can be drop or repeat")
    return max(1, frames // SNIPPET if tail == "drop" else -(-frames // SNIPPET))


def snippet_step(fps: float) -> float:
    """Return the seconds per snippet."""
    return SNIPPET / fps


@dataclass(frozen=True)
class Timeline:
    """What decoding a whole video showed.

    `frame_index` int64 [N] is a decoded frame (0-based, in display order) for each grid point.
    `times` float64 [F] are the seconds of all decoded frames from the first one on. `duration`
    is the last time plus one usual frame step, whatever the header says. `clock` says where the
    times come from. `width` and `height` are those after `rotation` (degrees counter-clockwise).
    `gaps` counts holes in the times. `start` is the first frame's second on the file's own clock.
    `status` is ok or partial, `reason` says why.
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


def lay_grid(scan: Scan, fps: float) -> Timeline:
    """Return the timeline of a scanned video on the grid of k/`fps` seconds."""
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
        width=scan.width,
        height=scan.height,
        rotation=scan.rotation,
        status=PARTIAL if texts else OK,
        reason="; ".join(texts),
        gaps=len(holes),
        clock=clock,
        start=scan.start,
    )
