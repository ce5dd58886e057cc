"""What tells whether two files are one recording, found without decoding them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av

from wstal.base.user_files import file_sha256
from wstal.media.decoders.pyav import opened


def recording_print(path: str | Path) -> tuple[str, str, float]:
    """Return the SHA-256 of a file, a digest of its stored sound, and its length in seconds.

    The digest is of the compressed sound as it is stored, so that a copy with other pictures or in
    another container has it, too; "" without sound. The length is what the file says of itself, 0
    if it says none. Raises MediaError for a file that FFmpeg cannot open.
    """
    digest, packets = hashlib.sha256(), 0
    with opened(path) as container:
        seconds = (container.duration or 0) / av.time_base
        for packet in (
            container.demux(container.streams.audio[:1]) if container.streams.audio else ()
        ):
            if packet.size:
                digest.update(bytes(packet))
                packets += 1
    return file_sha256(path), digest.hexdigest() if packets else "", seconds
