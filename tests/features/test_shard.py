"""A shard of features: keys that say what made them, statuses carried on, reuse.

Shards of the stages before are joined by id; what they lost is passed on.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from wstal.base.array_store import Record, create_arrays, read_arrays, read_attrs, write_shard
from wstal.base.errors import MediaError, WstalError
from wstal.features.shard import features_shard, join_shards

RECIPE = {"width": 0.25, "crop": 112, "batch": 8, "weights": {"rgb": "demo_i3d_rgb"}}


@pytest.fixture
def run(tmp_path):
    frames = tmp_path / "frames/shard0.csv"
    rows = [
        Record("a", "ok", 40, "s", "a.h5", "ka"),
        Record("b", "partial", 40, "s", "b.h5", "kb", "ends early"),
        Record("c", "missing", 0, "", "", "kc", "not in the folder"),
    ]
    write_shard(frames, rows)
    for video, decoder in (("a", "pyav"), ("b", "decord")):
        made = {"stage": "frames", "recipe": {"decoder": decoder}}
        path = frames.parent / f"{video}.h5"
        with create_arrays(path, id=video, stage="frames", key="k", provenance=made):
            pass

    def extract(video):
        run.seen.append(video.id)
        if video.id == run.broken:
            raise MediaError("cannot be decoded")
        return np.full((2, 4), len(run.seen), np.float32)

    def run(recipe=RECIPE, weights="f" * 64, code="c1", device="cpu"):
        run.seen = []
        records = features_shard(
            "i3d_rgb",
            {"frames": frames},
            extract,
            recipe,
            weights=weights,
            device=device,
            code=code,
            directory=tmp_path / "i3d_rgb",
        )
        return {record.id: record for record in records}

    run.broken, run.folder = None, Path(tmp_path / "i3d_rgb")
    return run


def test_statuses_and_provenance(run):
    records = run()
    assert {i: (r.status, r.rows) for i, r in records.items()} == {
        "a": ("ok", 2),
        "b": ("partial", 2),
        "c": ("missing", 0),
    }
    assert records["b"].reason == "ends early" and records["c"].reason == "not in the folder"
    file = run.folder / records["a"].path
    assert read_arrays(file)["features"].dtype == np.float32
    provenance = json.loads(read_attrs(file)["provenance_json"])
    assert provenance["weights"] == "f" * 64 and provenance["device"] == "cpu"
    assert provenance["recipe"] == RECIPE and provenance["code"] == "c1"
    assert {"wstal", "torch"} <= set(provenance["versions"])


def test_each_file_says_how_the_files_before_it_were_made(run):
    records = run()
    files = {video: run.folder / records[video].path for video in ("a", "b")}
    made = {video: json.loads(read_attrs(file)["provenance_json"]) for video, file in files.items()}
    assert made["a"]["frames"] == {"stage": "frames", "recipe": {"decoder": "pyav"}}
    assert made["b"]["frames"]["recipe"]["decoder"] == "decord"


def test_only_what_changes_the_features_makes_them_anew(run):
    run()
    for same in ({}, {"device": "H200"}, {"recipe": {**RECIPE, "batch": 1, "weights": "x"}}):
        run(**same)
        assert run.seen == [], same
    for other in ({"weights": "untrained"}, {"code": "c2"}, {"recipe": {**RECIPE, "crop": 96}}):
        run(**other)
        assert run.seen == ["a", "b"], other


def test_a_broken_file_is_a_status(run):
    run.broken = "a"
    records = run()
    assert records["a"].status == "broken" and "decoded" in records["a"].reason
    assert records["b"].rows == 2


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut short"])
def test_a_damaged_file_of_a_stage_before_is_named_with_the_remedy(run, content):
    damaged = run.folder.parent / "frames/a.h5"
    damaged.write_bytes(content)
    with pytest.raises(WstalError, match=rf"{damaged} is damaged or lost .* remove it and shard"):
        run()
    assert run.seen == ["b"]


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
