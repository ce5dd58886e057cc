"""The verified timeline of a video: which decoded frame stands at each k/fps second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wstal.store import OK, PARTIAL
from wstal.timegrid import frame_grid
from wstal.video.clock import frame_step, frame_times, gaps
from wstal.video.scan import Scan, backend


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
    expected_frames: int
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
        expected_frames=scan.expected,
        gaps=len(holes),
        clock=clock,
        start=scan.start,
    )
