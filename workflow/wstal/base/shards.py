"""Which shard a video belongs to."""

from __future__ import annotations

import hashlib


def shard_of(video_id: str, shards: int) -> int:
    """The shard, 0 to `shards` - 1, of a video: fixed by its id alone.

    Adding or removing a video never moves another one.
    """
    return int(hashlib.sha1(video_id.encode(), usedforsecurity=False).hexdigest(), 16) % shards
