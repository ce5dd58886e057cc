"""Files of ids: by name or path, with or without v_, duplicates and near misses told.

Entries that share one file, as rows of AVE do.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys

import pytest
import warm_python
from wstal.base.contents import sample
from wstal.media.find import find_videos, shard_listing, shard_of, videos_below


@pytest.fixture
def folder(tmp_path):
    for name in (
        "plain.mp4",
        "deep/er/nested.MKV",
        "v_prefixed.webm",
        "bare.avi",
        "twice.mp4",
        "b/twice.mkv",
        "b/path.mp4",
        "path.mp4",
        "video_test_0000012.mp4",
        "notes.txt",
        ".hidden.mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def found(folder, video):
    (result,) = find_videos(folder, [video])
    return result.path and result.path.relative_to(folder).as_posix(), result.note


@pytest.mark.parametrize(
    ("video", "path"),
    [
        ("plain", "plain.mp4"),
        ("nested", "deep/er/nested.MKV"),
        ("deep/er/nested", "deep/er/nested.MKV"),
        ("prefixed", "v_prefixed.webm"),
        ("v_bare", "bare.avi"),
    ],
)
def test_one_file(folder, video, path):
    assert found(folder, video) == (path, "")


def test_duplicates_are_told_and_a_path_decides(folder):
    assert found(folder, "twice") == (
        "twice.mp4",
        "2 files have this id, not used: b/twice.mkv",
    )
    assert found(folder, "b/path") == ("b/path.mp4", "")
    assert found(folder, "path")[0] == "path.mp4"


def test_a_name_with_its_extension_decides(folder):
    (folder / "plain.avi").write_bytes(b"x")
    named = {"plain": "plain.mp4", "twice": "twice.mkv", "bare": "bare.mov", "path": "path.mp4"}
    taken = {each.id: each.path.relative_to(folder).as_posix()
             for each in find_videos(folder, named, named)}  # fmt: skip
    assert taken == {"plain": "plain.mp4", "twice": "b/twice.mkv", "bare": "bare.avi",
                     "path": "path.mp4"}  # fmt: skip
    assert found(folder, "plain")[0] == "plain.avi"


def test_a_name_with_its_accents_apart_is_found(folder):
    (folder / "e\u0301te\u0301.ts").write_bytes(b"x")
    assert found(folder, "\u00e9t\u00e9") == ("e\u0301te\u0301.ts", "")


@pytest.mark.parametrize("video", ["notes", ".hidden", "hidden", "PLAINER_THING"])
def test_absent(folder, video):
    path, note = found(folder, video)
    assert path is None
    assert f"below {folder}" in note


def test_near_misses_are_named(folder):
    assert "similar: video_test_0000012.mp4" in found(folder, "video_test_0000021")[1]
    assert "similar: plain.mp4" in found(folder, "Plain")[1]
    for path in ("/data/clips/plain.mp4", "clips\\plain.mp4"):  # of another machine
        assert "similar: plain.mp4" in found(folder, path)[1]


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "a/" * 3000, "a\0b", "\0"])
def test_names_that_no_file_system_takes_are_absent(folder, name):
    (found,) = find_videos(folder, [name], {name: f"{name}.mp4"})
    assert found.path is None and "no video file of this name" in found.note


def test_a_folder_that_is_not_there(tmp_path):
    (result,) = find_videos(tmp_path / "videos", ["a"])
    assert result.note == f"the video folder {tmp_path / 'videos'} does not exist"


@pytest.mark.parametrize("name", ["d.gif", "sub/e.webp", "e.webp", "f", "g.tar.xyz"])
def test_a_file_that_is_named_in_full_is_taken_whatever_its_extension(tmp_path, name):
    for each in ("d.gif", "sub/e.webp", "f", "g.tar.xyz", "h.gif", "notes.txt"):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_bytes(b"x")
    path, note = found(tmp_path, name)
    assert path.endswith(name) and note == ""
    before = shard_listing(tmp_path, 1, {name: name})
    (tmp_path / "h.gif").write_bytes(b"another")
    assert shard_listing(tmp_path, 1, {name: name}) == before
    (tmp_path / path).write_bytes(b"another")
    assert shard_listing(tmp_path, 1, {name: name}) != before


@pytest.mark.parametrize("name", ["d", "d.mp4"])
def test_a_file_that_is_ignored_for_its_extension_is_mentioned(tmp_path, name):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/d.gif").touch()
    path, note = found(tmp_path, name)
    assert path is None
    assert note.endswith(
        "sub/d.gif is not taken for its extension; write the name with it in the labels"
    )


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
        warm_python.run([*command, "--shard", str(number), "--output", output], check=True)
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == expected
        assert {row["status"] for row in rows} <= {"broken"}


@pytest.fixture
def clips(tmp_path):
    for name in ("a", "b", "c", "sub/d"):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def changed(before, after):
    return [shard for shard, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]


def test_a_video_added_concerns_its_own_shard(clips):
    ids = dict(zip("abcd", "abcd", strict=True)) | {"new": "new"}
    before = shard_listing(clips, 16, ids)
    (clips / "new.mkv").write_bytes(b"y")
    assert changed(before, shard_listing(clips, 16, ids)) == [shard_of("new", 16)]


def test_a_label_added_concerns_its_own_shard_and_unlisted_files_do_not_count(clips):
    listed = {"a": "a", "b": "b"}
    before = shard_listing(clips, 16, listed)
    assert changed(before, shard_listing(clips, 16, listed | {"c": "c"})) == [shard_of("c", 16)]
    (clips / "zzz.mp4").write_bytes(b"y")
    (clips / "notes.txt").write_bytes(b"y")
    assert shard_listing(clips, 16, listed) == before
    named = shard_listing(clips, 16, listed | {"a": "a.mp4"})  # another file may have to be taken
    assert changed(before, named) == [shard_of("a", 16)]


def test_a_replaced_video_is_seen_and_a_missing_folder_is_empty(clips):
    before = shard_listing(clips, 4)
    os.utime(clips / "sub" / "d.mp4", (1, 1))
    assert shard_listing(clips, 4) == before
    for content in (b"y", b"longer"):
        (clips / "sub" / "d.mp4").write_bytes(content)
        assert shard_of("d", 4) in changed(before, shard_listing(clips, 4))
    assert len(set(shard_listing(clips / "none", 4))) == 1


def test_a_file_that_may_not_be_read_concerns_its_own_shard_alone(clips):
    before = shard_listing(clips, 5)

    def refuse(path):
        if path.stem == "a":
            raise PermissionError(13, "Permission denied")
        return sample(path)

    shards = {shard_of("a", 5), shard_of("v_a", 5)}
    assert set(changed(before, shard_listing(clips, 5, None, refuse))) == shards


def test_linked_folders_are_entered_once_and_hidden_files_are_none(tmp_path, clips):
    disk = tmp_path / "disk"
    disk.mkdir()
    for name in ("e.MTS", "._e.mts", "deep.txt"):
        (disk / name).write_bytes(b"x")
    (clips / "linked").symlink_to(disk, target_is_directory=True)
    (disk / "back").symlink_to(clips, target_is_directory=True)
    found = [path.name for path in videos_below(clips / "linked")]
    assert sorted(found) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.MTS"]


def test_a_name_with_its_accents_apart_is_the_listed_one(tmp_path):
    before = shard_listing(tmp_path, 16, {"\u00e9t\u00e9": "\u00e9t\u00e9"})
    (tmp_path / "e\u0301te\u0301.mp4").write_bytes(b"x")
    assert shard_listing(tmp_path, 16, {"\u00e9t\u00e9": "\u00e9t\u00e9"}) != before


def test_a_shard_is_the_hash_of_the_id():
    for video in ("video_test_0000004", "v_a", "ü/b"):
        assert shard_of(video, 26) == int(hashlib.sha1(video.encode()).hexdigest(), 16) % 26
    assert shard_of("anything", 1) == 0


def test_shards_are_balanced():
    counts = [0] * 8
    for number in range(4000):
        counts[shard_of(f"video_{number:07d}", 8)] += 1
    assert min(counts) > 400
