"""Entries that share one file, as rows of AVE do."""

import csv
import json
import subprocess
import sys

from wstal.shards import shard_of
from wstal.video.find import find_videos


def test_an_id_that_is_called_otherwise_is_found_by_its_file(tmp_path):
    for name in ("aaa.mp4", "bbb.mkv"):
        (tmp_path / name).write_bytes(b"")
    found = find_videos(tmp_path, ["aaa", "aaa.2", "ccc.2"], {"aaa.2": "aaa", "ccc.2": "ccc"})
    assert [(each.id, each.path and each.path.name) for each in found] == [
        ("aaa", "aaa.mp4"),
        ("aaa.2", "aaa.mp4"),
        ("ccc.2", None),
    ]


def test_both_entries_are_probed_in_the_shard_of_the_file(project, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "aaa.mp4").write_bytes(b"no video")
    entry = {"subset": "train", "duration": 10.0, "labels": ["x"], "annotations": []}
    database = {"aaa": entry | {"file": "aaa"}, "aaa.2": entry | {"file": "aaa"}}
    (tmp_path / "a.json").write_text(json.dumps({"classes": ["x"], "database": database}))
    shard = shard_of("aaa", 5)
    assert shard_of("aaa.2", 5) != shard
    for number, expected in ((shard, ["aaa", "aaa.2"]), (shard_of("aaa.2", 5), [])):
        output = tmp_path / f"shard{number}.csv"
        command = [sys.executable, project / "scripts/probe_videos.py", "--shards", "5"]
        command += ["--annotations", tmp_path / "a.json", "--videos", videos]
        subprocess.run([*command, "--shard", str(number), "--output", output], check=True)
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == expected
        assert {row["status"] for row in rows} <= {"broken"}
