"""Probe rows, their cache and their way back."""

import csv
import hashlib

import numpy as np
import pytest
from video_clips import write_clip
from wstal.atomic import write_csv
from wstal.video import probing
from wstal.video.probed import read_probe
from wstal.video.probing import COLUMNS, probe_videos


def rows_of(folder, ids, code="1"):
    return list(probe_videos(ids, folder / "videos", cache=folder / "cache", code=code))


def make_videos(folder):
    (folder / "videos").mkdir()
    sound = np.zeros((1, 8000), np.float32)
    clip = write_clip(folder / "videos" / "good.mp4", 25, sound=sound)
    (folder / "videos" / "bad.mp4").write_bytes(b"nothing")
    return clip


def test_rows(tmp_path):
    clip = make_videos(tmp_path)
    bad, gone, good = rows_of(tmp_path, ["good", "bad", "gone"])
    assert list(good) == COLUMNS
    assert good["path"] == str(clip)
    assert good["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert (good["fps"], good["frames"], good["duration"]) == (25.0, 25, 1.0)
    assert (good["audio"], good["status"], good["reason"]) == ("true", "ok", "")
    assert bad["status"] == "broken"
    assert "bad.mp4" in bad["reason"]
    assert (gone["status"], gone["path"], gone["sha256"]) == ("missing", "", "")

    write_csv(tmp_path / "probe.csv", COLUMNS, [bad, good, gone])
    with (tmp_path / "probe.csv").open() as file:
        assert next(csv.reader(file)) == COLUMNS
    videos = read_probe(tmp_path / "probe.csv")
    assert [video.usable for video in videos] == [False, True, False]
    assert videos[1].path == clip


def test_unchanged_files_are_not_decoded_again(tmp_path, monkeypatch):
    clip = make_videos(tmp_path)
    probed = []
    real = probing.probe
    monkeypatch.setattr(probing, "probe", lambda path: probed.append(path.name) or real(path))
    first = rows_of(tmp_path, ["good", "bad"])
    assert rows_of(tmp_path, ["good", "bad"]) == first
    assert probed == ["bad.mp4", "good.mp4"]
    write_clip(clip, 30)
    assert rows_of(tmp_path, ["good"])[0]["frames"] == 30
    (tmp_path / "cache" / "bad.json").write_text("{")
    rows_of(tmp_path, ["good", "bad"])
    rows_of(tmp_path, ["good"], code="2")
    assert probed[2:] == ["good.mp4", "bad.mp4", "good.mp4"]


def test_duplicates_stand_in_the_reason(tmp_path):
    make_videos(tmp_path)
    write_clip(tmp_path / "videos" / "good.mkv", 5)
    (row,) = rows_of(tmp_path, ["good"])
    assert "2 files carry this id, not used: good.mp4" in row["reason"]


def test_a_file_that_may_not_be_read_is_broken(tmp_path, monkeypatch):
    make_videos(tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(probing, "file_sha256", refuse)
    (row,) = rows_of(tmp_path, ["good"])
    assert row["status"] == "broken"
    assert row["reason"].endswith("good.mp4: Permission denied")


def test_a_cache_that_cannot_be_written_breaks_no_video(tmp_path):
    make_videos(tmp_path)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="cache"):
        rows_of(tmp_path, ["good"])
