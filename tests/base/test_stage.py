"""Shards of the earlier stages are joined by id; the status of a video without files is passed on."""

from __future__ import annotations

import pytest
from wstal.base.array_store import Record, write_shard
from wstal.base.errors import WstalError
from wstal.base.stage import join_shards


@pytest.fixture
def shards(tmp_path):
    def write(stage, *records):
        path = tmp_path / stage / "shard0.csv"
        write_shard(path, records)
        return path

    return write


def test_join(shards, tmp_path):
    frames = shards(
        "frames",
        Record("a", "ok", 40, "s", "a.h5", "ka"),
        Record("b", "partial", 20, "s", "b.h5", "kb", "ends early"),
        Record("c", "broken", 0, "", "", "kc", "no frames"),
    )
    audio = shards(
        "audio",
        Record("a", "no_audio", 0, "s", "a.h5", "ja", "no sound track"),
        Record("b", "no_audio", 0, "s", "b.h5", "jb", "no sound track"),
        Record("c", "ok", 5, "s", "c.h5", "jc"),
    )
    inputs, passed = join_shards({"frames": frames, "audio": audio})
    assert [(i.id, i.status, i.reason) for i in inputs] == [
        ("a", "no_audio", "no sound track"),
        ("b", "partial", "ends early"),
    ]
    assert inputs[0].source == "ka ja"
    assert inputs[1].files == {
        "frames": tmp_path / "frames/b.h5",
        "audio": tmp_path / "audio/b.h5",
    }
    assert [(r.id, r.status, r.rows, r.reason) for r in passed] == [("c", "broken", 0, "no frames")]


def test_a_shard_that_lacks_a_video(shards):
    frames = shards("frames", Record("a", "ok", 40, "s", "a.h5", "k"))
    with pytest.raises(WstalError, match="video a; run flow again"):
        join_shards({"frames": frames, "flow": shards("flow")})
