"""What a decoder finds out about a video by decoding all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from wstal.base.errors import WstalError


@dataclass(frozen=True)
class Scan:
    """All decoded frames of a video, in display order.

    `pts` and `dts` are seconds [F] on the file's clock, NaN where a frame carries none; `rate`
    the constant or average frames per second that the file states (0: none); `width` and
    `height` the displayed size, after `rotation` (degrees counter-clockwise) was applied;
    `expected` the frames that the header announces (0: none); `start` the first frame's second
    on the file's clock; `faults` what went wrong, in words, while frames still came out. A
    backend that turns pictures itself states rotation 0, one that knows no sound audio False.
    """

    pts: np.ndarray
    dts: np.ndarray
    rate: float
    width: int
    height: int
    rotation: int
    expected: int = 0
    start: float = 0.0
    audio: bool = False
    faults: list[str] = field(default_factory=list)


class Backend(Protocol):
    """A module that decodes; each raises MediaError that names the file and the fault."""

    def scan(self, path: str | Path) -> Scan:
        """Decode all of `path` and say what came."""

    def pictures(
        self, path: str | Path, wanted: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]
    ) -> Iterator[np.ndarray]:
        """`convert(picture)` of each frame in `wanted` (increasing ordinals among decoded ones).

        A picture is uint8 RGB [H, W, 3], rotation applied.
        """


def backend(decoder: str) -> Backend:
    """The backend named in a recipe: pyav, decord or torchcodec.

    Raises WstalError for another name, or with the reason why the backend does not load here.
    """
    try:
        if decoder == "pyav":
            from wstal.media.decoders import pyav as module
        elif decoder == "decord":
            from wstal.media.decoders import decord as module
        elif decoder == "torchcodec":
            from wstal.media.decoders import torchcodec as module
        else:
            raise WstalError(f"decoder {decoder!r} is none of pyav, decord, torchcodec")
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WstalError(
            f"decoder {decoder} does not load here ({reason}); install it, or name another one in "
            "the recipe under frames: decoder (pyav, decord, torchcodec)"
        ) from error
    return module
