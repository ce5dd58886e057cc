"""What a manifest says about a video file, verified by decoding all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wstal.errors import MediaError
from wstal.store import BROKEN, NO_AUDIO, OK, PARTIAL
from wstal.video.pyav import scan
from wstal.video.timeline import lay_grid

MILLISECONDS = 3  # decimals of the durations that are written


@dataclass(frozen=True)
class VideoInfo:
    """Measured, not announced: `fps` and `frames` of what decodes, `duration` in seconds (last
    time plus one frame step), size after `rotation` (degrees counter-clockwise), `audio` whether
    there is a sound track; `status` ok, no_audio, partial or broken, with the `reason`.
    """

    fps: float = 0.0
    frames: int = 0
    duration: float = 0.0
    width: int = 0
    height: int = 0
    rotation: int = 0
    audio: bool = False
    status: str = OK
    reason: str = ""


def probe(path: str | Path) -> VideoInfo:
    """Decode all of `path`. Never raises for a bad file: it is `broken`, with the reason."""
    try:
        scanned = scan(path)
        line = lay_grid(scanned, fps=1.0)
    except MediaError as error:
        return VideoInfo(status=BROKEN, reason=str(error))
    silent = [] if scanned.audio else ["no sound track"]
    return VideoInfo(
        fps=round(line.fps, MILLISECONDS),
        frames=line.frames,
        duration=round(line.duration, MILLISECONDS),
        width=line.width,
        height=line.height,
        rotation=line.rotation,
        audio=scanned.audio,
        status=PARTIAL if line.status == PARTIAL else NO_AUDIO if silent else OK,
        reason="; ".join(([line.reason] if line.reason else []) + silent),
    )
