"""What tells whether two files are one recording, found without decoding them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

import av

from wstal.base.errors import MediaError
from wstal.base.user_files import file_sha256
from wstal.media.decoders.pyav import opened, video_stream


def header_seconds(path: str | Path) -> float:
    """Return the length that a video file states, 0 if it states none.

    Raises MediaError for a file that FFmpeg cannot open, and for one without pictures.
    """
    with opened(path) as container:
        video_stream(path, container)
        return (container.duration or 0) / av.time_base


def sound_digest(path: str | Path) -> str:
    """Return a digest of the compressed sound as it is stored, "" without sound.

    A copy with other pictures or in another container has it, too.
    """
    digest, packets = hashlib.sha256(), 0
    with opened(path) as container:
        for packet in (
            container.demux(container.streams.audio[:1]) if container.streams.audio else ()
        ):
            if packet.size:
                digest.update(bytes(packet))
                packets += 1
    return digest.hexdigest() if packets else ""


def recording_prints(
    files: Mapping[str, Path], seconds: Mapping[str, float], subsets: Mapping[str, str]
) -> dict[str, tuple[str, str, float]]:
    """Return of each video the SHA-256 of its file, the digest of its sound, and its length.

    A file is read only if one of another subset has its size (for the SHA-256) or its length (for
    the sound): otherwise the digest is "", as where it cannot be read.
    """
    lengths = {video: round(seconds[video], 1) for video in files}
    same_size = _shared({video: path.stat().st_size for video, path in files.items()}, subsets)
    same_length = _shared(lengths, subsets)
    return {
        video: (
            _digest(file_sha256, path) if video in same_size else "",
            _digest(sound_digest, path) if video in same_length else "",
            seconds[video],
        )
        for video, path in files.items()
    }


def _shared(values: Mapping[str, Hashable], subsets: Mapping[str, str]) -> set[str]:
    """Return the videos whose value a video of another subset has, too."""
    having: dict[Hashable, set[str]] = {}
    for video, value in values.items():
        having.setdefault(value, set()).add(subsets[video])
    return {video for video, value in values.items() if len(having[value]) > 1}


def _digest(of: Callable[[Path], str], path: Path) -> str:
    try:
        return of(path)
    except (MediaError, OSError):  # what is wrong with it is found when it is decoded
        return ""
