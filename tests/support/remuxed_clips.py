"""Clips whose packets get other times: what recorders, cutters and joiners make of a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np

FINE = Fraction(1, 90000)
DISPOSITION = av.stream.Disposition


@dataclass
class Track:
    """A stream of `source` (`kind` video, audio or subtitle) with its times moved by `when`.

    `stays` is the duration of the last packet in seconds, `keep` says by a packet's second whether
    it is kept, `copies` writes the packets again, each time `copies[i]` seconds later.
    """

    source: Path
    kind: str = "video"
    when: Callable[[float], float] = float
    stays: float | None = None
    keep: Callable[[float], bool] = lambda second: True
    disposition: Any = DISPOSITION.default

    @cached_property
    def container(self) -> av.container.InputContainer:
        """The opened source, for the template and the packets."""
        return av.open(str(self.source))

    @property
    def template(self):
        """The stream to copy."""
        return next(stream for stream in self.container.streams if stream.type == self.kind)

    def packets(self) -> Iterable[av.Packet]:
        """Yield the packets with their new times in units of FINE."""
        kept = [p for p in self.container.demux(self.template) if p.size]
        kept = [p for p in kept if self.keep(float(p.pts * p.time_base))]
        for packet in kept:
            tick, usual = packet.time_base, float((packet.duration or 0) * packet.time_base)
            pts = float(packet.pts * tick)
            dts = pts if packet.dts is None else float(packet.dts * tick)
            packet.time_base = FINE
            packet.pts = round(self.when(pts) / FINE)
            packet.dts = packet.pts - round((pts - dts) / FINE)
            last = self.stays is not None and packet is kept[-1]
            packet.duration = round((self.stays if last else usual) / FINE)
            yield packet


def remux(path: Path, *tracks: Track, container: str | None = None, **options: str) -> Path:
    """Write the tracks, without coding anything again, into one file; return its path."""
    with av.open(str(path), "w", format=container, options=options) as file:
        queue = []
        for track in tracks:
            stream = file.add_stream_from_template(track.template)
            stream.disposition = track.disposition
            queue += [(packet, stream) for packet in track.packets()]
        for packet, stream in sorted(queue, key=lambda item: item[0].dts):
            packet.stream = stream
            file.mux(packet)
        for track in tracks:
            track.container.close()
    return path


def join(path: Path, *parts: Path) -> Path:
    """Write the bytes of the parts one after the other, as `cat` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def write_subtitles(path: Path, *seconds: float) -> Path:
    """Write an SRT file with a line of one second at each of `seconds`."""

    def stamp(at: float) -> str:
        whole = int(at)
        return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},000"

    texts = [f"{i + 1}\n{stamp(s)} --> {stamp(s + 1)}\nline\n" for i, s in enumerate(seconds)]
    path.write_text("\n".join(texts))
    return path


def beeping(seconds: float, at: Iterable[float], rate: int = 16000) -> np.ndarray:
    """Return silence [1, S] with a beep of 0.05 s at each second of `at`."""
    sound = np.zeros((1, int(seconds * rate)), np.float32)
    tone = 0.7 * np.sin(2 * np.pi * 1000 * np.arange(rate // 20) / rate)
    for second in at:
        sound[0, int(second * rate) :][: len(tone)] = tone
    return sound


def beeps_in(sound: np.ndarray, rate: int = 16000) -> list[float]:
    """Return the seconds at which beeps begin."""
    loud = np.flatnonzero(np.abs(sound) > 0.3) / rate
    return [
        float(s) for s, before in zip(loud, np.r_[-9, loud[:-1]], strict=True) if s - before > 0.2
    ]
