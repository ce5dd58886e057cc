"""What a decoder is, and what PyAV finds out about a video by decoding all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from wstal.base.errors import MediaError
from wstal.base.user_files import open_regular

# How files begin that name other files, which FFmpeg would open in their place.
PLAYLISTS = {b"#EXTM3U": "an HLS playlist", b"ffconcat": "a list of files to join"}
HEAD_BYTES = 8192


@dataclass(frozen=True)
class Scan:
    """All decoded frames of a video, in display order.

    `pts` and `dts` are seconds [F] on the file's clock, NaN for a frame without one. `rate` is
    the constant or average frame rate that the file states (0: none). `width` and `height` are
    the displayed size, after `rotation` (degrees counter-clockwise). `expected` is the number of
    frames that the header announces (0: none). `start` is the first frame's second on the file's
    clock. `shown_until` is the second up to which the file declares that its last picture stays
    (-inf: it does not say). `sound` has the seconds of the first and after the last sample of the
    sound that is played (None: there is none); `silence` says why there is none. `faults` says in
    words what went wrong while frames still came, `notes` what a user should know besides.
    """

    pts: np.ndarray
    dts: np.ndarray
    rate: float
    width: int
    height: int
    rotation: int
    expected: int = 0
    start: float = 0.0
    shown_until: float = -np.inf
    sound: tuple[float, float] | None = None
    silence: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Decoder(Protocol):
    """A module of `wstal.media.decoders`. It raises MediaError with the file and the fault."""

    def pictures(
        self, path: str | Path, wanted: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]
    ) -> Iterator[np.ndarray]:
        """Yield `convert(picture)` of the decoded frames `wanted` (increasing ordinals).

        A picture is uint8 RGB [H, W, 3] as a player shows it, mirrored and rotated.
        """


def check_video(path: str | Path) -> Path:
    """Return `path` if a decoder may open it: a regular file that stands for no other files.

    Raises MediaError with what it is instead, OSError if it is missing or may not be read.
    """
    with open_regular(path, MediaError) as file:
        head = file.read(HEAD_BYTES)
    kind = next((kind for begin, kind in PLAYLISTS.items() if head.startswith(begin)), "")
    if b"dash:profile" in head and b"<MPD" in head:
        kind = "a DASH playlist"
    if kind:
        raise MediaError(f"{path} is {kind}, not a video; name the video files themselves")
    return Path(path)
