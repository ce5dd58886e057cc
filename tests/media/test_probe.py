"""A probe measures and never raises; its rows, their cache, and how later stages read them."""

from __future__ import annotations

import csv
import hashlib
import os
import socket
from fractions import Fraction

import av
import numpy as np
import pytest
from video_clips import rotate_header, write_clip
from wstal.base.errors import MediaError, WstalError
from wstal.base.files import read_table, write_csv
from wstal.datasets.annotations import Annotations
from wstal.media import probe as probing
from wstal.media.find import shard_of
from wstal.media.frame_stage import FrameStage
from wstal.media.frames import load_decoder
from wstal.media.manifest import COLUMNS as MANIFEST_COLUMNS
from wstal.media.manifest import merge_manifest
from wstal.media.probe import COLUMNS, probe, probe_videos


def test_good_file(tmp_path):
    sound = np.zeros((1, 32000), np.float32)
    info = probe(write_clip(tmp_path / "a.mp4", 60, rate=Fraction(30), sound=sound))
    assert (info.fps, info.frames, info.duration) == (30.0, 60, 2.0)
    assert (info.width, info.height, info.rotation) == (160, 96, 0)
    assert (info.audio, info.status, info.reason) == (True, "ok", "")


def test_no_sound_and_rotation(tmp_path):
    info = probe(rotate_header(write_clip(tmp_path / "a.mp4", 10), 90))
    assert (info.status, info.reason, info.audio) == ("no_audio", "no sound track", False)
    assert (info.width, info.height, info.rotation) == (96, 160, 270)


def test_sound_alone_is_broken(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as file:
        audio = file.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = 16000, 0
        file.mux(audio.encode(frame))
        file.mux(audio.encode())
    info = probe(path)
    assert info.status == "broken"
    assert info.reason == f"{path}: has no video stream"


def test_no_frame_no_bytes_no_file(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    whole = write_clip(tmp_path / "a.mkv", 30).read_bytes()
    (tmp_path / "head.mkv").write_bytes(whole[: whole.index(b"\x1f\x43\xb6\x75") + 12])
    for name in ("empty.mp4", "head.mkv", "absent.mp4"):
        info = probe(tmp_path / name)
        assert (info.status, info.frames) == ("broken", 0)
        assert name in info.reason


def test_every_real_clip_ends_in_a_status(reference):
    infos = {path.name: probe(path) for path in (reference / "data" / "videos").iterdir()}
    assert all(info.frames for info in infos.values())
    assert {name for name, info in infos.items() if info.status == "partial"} == {"corrupted.mp4"}
    assert infos["corrupted.mp4"].reason.endswith("no sound track")
    undecodable_title = next(name for name in infos if name.startswith("hmdb51"))
    assert infos[undecodable_title].frames == 83
    assert (infos["nasa_13013.mp4"].width, infos["nasa_13013.mp4"].audio) == (480, True)


def test_a_row_says_if_there_is_anything_to_decode(tmp_path):
    path = tmp_path / "shard0.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for status in ("ok", "no_audio", "partial", "missing", "broken"):
            writer.writerow({"id": status, "path": f"/clips, new/{status}.mp4", "status": status})
    videos, passed = FrameStage().read({"probe": path})
    assert [video.id for video in videos] == ["ok", "no_audio", "partial"]
    assert str(videos[0].files["video"]) == "/clips, new/ok.mp4"
    assert [(record.id, record.status) for record in passed] == [
        ("missing", "missing"),
        ("broken", "broken"),
    ]


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
    videos, passed = FrameStage().read({"probe": tmp_path / "probe.csv"})
    assert [record.id for record in passed] == ["bad", "gone"]
    assert [video.files["video"] for video in videos] == [clip]


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
    assert "2 files have this id, not used: good.mp4" in row["reason"]


def test_a_file_that_may_not_be_read_is_broken(tmp_path, monkeypatch):
    make_videos(tmp_path)

    def refuse(path, error):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(probing, "file_sha256", refuse)
    (row,) = rows_of(tmp_path, ["good"])
    assert row["status"] == "broken"
    assert row["reason"].endswith("good.mp4: Permission denied")


def test_what_is_no_regular_file_is_a_row_with_a_reason_at_once(tmp_path):
    good = make_videos(tmp_path).parent / "good.mp4"
    os.mkfifo(good.with_name("pipe.mp4"))
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(good.with_name("socket.mp4")))
    good.with_name("device.mp4").symlink_to("/dev/zero")
    good.with_name("linked.mp4").symlink_to(good)
    good.with_name("loop.mp4").symlink_to("loop.mp4")
    good.with_name("folder.mp4").mkdir()
    good.with_name("list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{good}\n#EXT-X-ENDLIST\n")
    names = ("device", "folder", "linked", "list", "loop", "pipe", "socket")
    files = {name: f"{name}.mp4" for name in names}
    rows = probe_videos(names, tmp_path / "videos", cache=tmp_path / "cache", code="", files=files)
    reasons = {row["id"]: (row["status"], row["reason"]) for row in rows}
    assert reasons["linked"][0] == "ok"
    assert reasons["loop"][0] == "broken" and "symbolic links" in reasons["loop"][1]
    assert reasons["folder"][0] == "missing" and "is a folder" in reasons["folder"][1]
    for name, kind in {"device": "device", "pipe": "named pipe", "socket": "socket"}.items():
        assert reasons[name][0] == "broken"
        assert f"is a {kind}, not a regular file" in reasons[name][1]
    assert "is an HLS playlist" in reasons["list"][1]
    bound.close()


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_no_decoder_waits_for_a_pipe(decoder, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="is a named pipe, not a regular file"):
        next(load_decoder(decoder).pictures(tmp_path / "pipe.mp4", np.arange(1), np.array))


def test_a_cache_that_cannot_be_written_breaks_no_video(tmp_path):
    make_videos(tmp_path)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="cache"):
        rows_of(tmp_path, ["good"])


ENTRY = {"duration": None, "labels": ["x"], "annotations": []}


def test_every_annotated_video_has_a_row_with_its_split(tmp_path):
    probed = {name: "" for name in MANIFEST_COLUMNS if name != "split"}
    rows = [
        probed | {"id": "a", "status": "missing", "reason": "no file"},
        probed | {"id": "b", "status": "ok", "duration": "2.5", "fps": "25"},
        probed | {"id": "zz", "status": "ok"},
    ]
    write_csv(tmp_path / "shard0.csv", list(probed), rows)
    annotations = Annotations(
        ["x"], {"a": {**ENTRY, "subset": "train"}, "b": {**ENTRY, "subset": "test"}}
    )
    merged = merge_manifest(annotations, [tmp_path / "shard0.csv"])
    assert [(row["id"], row["split"], row["status"]) for row in merged] == [
        ("a", "train", "missing"),
        ("b", "test", "ok"),
    ]
    assert merged[0]["reason"] == "no file" and merged[0]["duration"] == "0"
    write_csv(tmp_path / "manifest.csv", MANIFEST_COLUMNS, merged)
    assert read_table(tmp_path / "manifest.csv", MANIFEST_COLUMNS)[1]["fps"] == "25"


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_shard_that_was_cut_short_makes_no_video_missing(tmp_path, kept):
    """Nothing, the header alone, or a row less than the videos of the shard."""
    path, columns = tmp_path / "shard0.csv", [n for n in MANIFEST_COLUMNS if n != "split"]
    write_csv(path, columns, [{"id": video, "status": "ok"} for video in "ab"])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
    database = {video: {**ENTRY, "subset": "test"} for video in "ab"}
    message = r"shard0\.csv has no (column id|row for \d of the videos .*b\))"
    with pytest.raises(WstalError, match=message):
        merge_manifest(Annotations(["x"], database), [path])


def test_a_row_counts_for_its_own_shard_alone(tmp_path):
    columns = [name for name in MANIFEST_COLUMNS if name != "split"]
    shard = shard_of("a", 2)
    paths = [tmp_path / "shard0.csv", tmp_path / "shard1.csv"]
    for number, path in enumerate(paths):
        write_csv(path, columns, [{"id": "a", "status": "ok"}] if number != shard else [])
    database = {"a": {**ENTRY, "subset": "test"}}
    with pytest.raises(WstalError, match=rf"shard{shard}\.csv has no row for 1"):
        merge_manifest(Annotations(["x"], database), paths[::-1])


def test_what_has_only_published_features_is_no_missing_video(tmp_path):
    features_only = {**ENTRY, "subset": "train", "labels": [], "features_only": True}
    database = {"a": {**ENTRY, "subset": "test"}, "background_000": features_only}
    columns = [name for name in MANIFEST_COLUMNS if name != "split"]
    write_csv(tmp_path / "shard0.csv", columns, [{"id": "a", "status": "ok"}])
    merged = merge_manifest(Annotations(["x"], database), [tmp_path / "shard0.csv"])
    assert [row["id"] for row in merged] == ["a"]
