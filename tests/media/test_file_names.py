"""Names as old disks, archives and other systems leave them: each file has its own row."""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

import pytest
from wstal.commands.console import Program
from video_clips import number_of, write_clip
from wstal.apply.extraction import video_ids
from wstal.base.errors import MediaError
from wstal.base.files import path_from, stored_path, write_csv
from wstal.base.stage import Job
from wstal.media.find import find_videos, shard_listing, spelling
from wstal.media.frame_stage import FrameSettings, FrameStage
from wstal.media.frames import open_frames
from wstal.media.probe import COLUMNS, probe_found, probe_videos

LATIN1 = os.fsdecode(b"caf\xe9.mp4")
COMPOSED, SEPARATE = "\u00fcber.mp4", "u\u0308ber.mp4"
NAMES = {  # the name of a file, and the id that it gets
    "good.mp4": "good",
    LATIN1: "caf\u00e9",
    "two\nlines.mp4": "two\nlines",
    "-dash.mp4": "-dash",
    "Case.mp4": "Case",
    "case.mp4": "case",
    "n" * 251 + ".mp4": "n" * 251,
    "a:b %03d 'q' \"$x$\" #1?.mp4": "a:b %03d 'q' \"$x$\" #1?",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    clip = write_clip(folder / "good.mp4", 4).read_bytes()
    for name in NAMES:
        (folder / name).write_bytes(clip)
    return folder


def test_each_file_of_a_folder_is_decoded_under_its_own_id(folder, tmp_path):
    found = video_ids([folder])
    assert {path.name: video for video, path in found.items()} == NAMES
    rows = list(probe_videos(list(found), folder, cache=tmp_path / "probe", code="c"))
    assert {row["id"]: row["frames"] for row in rows} == dict.fromkeys(NAMES.values(), 4)
    write_csv(tmp_path / "shard.csv", COLUMNS, rows)
    job = Job("c", tmp_path / "frames")
    records = FrameStage().shard({"probe": tmp_path / "shard.csv"}, FrameSettings(), job)
    assert {each.id: (each.status, each.rows) for each in records} == dict.fromkeys(
        NAMES.values(), ("ok", 4)
    )
    kept = next(each for each in records if each.id == "caf\u00e9")
    pictures = [p for chunk in open_frames(tmp_path / "frames" / kept.path) for p in chunk]
    assert [number_of(picture) for picture in pictures] == [0, 1, 2, 3]


def test_names_that_are_spelled_alike_stay_apart(tmp_path):
    for name in (COMPOSED, SEPARATE, LATIN1, "caf\u00e9.mp4", "x.mp4", "x.mkv"):
        (tmp_path / name).touch()
    found = video_ids([tmp_path])
    assert len(found) == 6 and len(set(found.values())) == 6
    for video in found:
        video.encode()
    assert {Path(v).name for v in found} >= {"u%CC%88ber.mp4", "%C3%BCber.mp4", "caf%E9.mp4"}
    (row,) = find_videos(tmp_path, ["\u00fcber"])
    assert row.path is not None and row.note.startswith("2 files have this id, not used: ")


def test_a_label_finds_a_file_that_is_not_utf8_and_notes_are_printable(tmp_path):
    (tmp_path / LATIN1).touch()
    found, near = find_videos(tmp_path, ["caf\u00e9", "caf\u00e9s"])
    assert found.path == tmp_path / LATIN1 and found.note == ""
    assert near.path is None and near.note.endswith("similar: caf\\xe9.mp4")
    assert spelling(os.fsdecode(b"\x80uro \x81")) == "\u0080uro \u0081"  # 81 is no Windows-1252
    assert len(set(shard_listing(tmp_path, 3))) == 2  # one of three shards has the file


def test_paths_go_through_tables_and_reasons_are_printable(tmp_path):
    for name in NAMES:
        text = stored_path(tmp_path / name)
        text.encode()
        assert path_from(text) == tmp_path / name
    assert stored_path(tmp_path / LATIN1).endswith("/caf%E9.mp4")
    (tmp_path / LATIN1).write_bytes(b"no video")
    (found,) = find_videos(tmp_path, ["caf\u00e9"])
    row = probe_found(found, tmp_path / "cache", "c")
    assert row["status"] == "broken" and "caf\\xe9.mp4" in row["reason"]
    write_csv(tmp_path / "rows.csv", COLUMNS, [row])
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["path"] == row["path"]
    assert str(MediaError(f"{LATIN1}: broken")) == "caf\\xe9.mp4: broken"


def test_a_file_that_begins_with_a_dash_is_no_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-x.mp4", "--keep", "a.mp4"):
        (tmp_path / name).touch()
    given = []

    def add_arguments(add):
        add("videos", type=Path, nargs="+")
        add("--keep", action="store_true")
        add("--output", type=Path)

    def main(args: argparse.Namespace) -> None:
        given.append(args)

    with pytest.raises(SystemExit):
        Program("Help.", add_arguments, main).run(
            ["--keep", "-x.mp4", "a.mp4", "--output", "-x.mp4"]
        )
    assert [path.name for path in given[0].videos] == ["-x.mp4", "a.mp4"]
    assert given[0].keep and given[0].output == Path("-x.mp4")
