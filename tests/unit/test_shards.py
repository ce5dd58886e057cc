"""Videos are dealt to shards by their id alone."""

import hashlib

from wstal.shards import shard_of


def test_is_the_hash_of_the_id():
    for video in ("video_test_0000004", "v_a", "ü/b"):
        assert shard_of(video, 26) == int(hashlib.sha1(video.encode()).hexdigest(), 16) % 26
    assert shard_of("anything", 1) == 0


def test_shards_are_balanced():
    counts = [0] * 8
    for number in range(4000):
        counts[shard_of(f"video_{number:07d}", 8)] += 1
    assert min(counts) > 400
