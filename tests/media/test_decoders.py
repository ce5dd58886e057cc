"""The default decoder on good and damaged files, with OpenCV's as the reference.

The second decoder gives what PyAV gives, also window by window.

Decoders are loaded by name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from decoded_videos import Probed, decode_frames
from video_clips import number_of, rotate_header, write_clip, write_matrix
from wstal.base.array_store import read_attrs
from wstal.base.errors import MediaError, WstalError
from wstal.media.decoders import MODULES, decord, pyav
from wstal.media.decoders.pyav import pictures, scan
from wstal.media.frame_stage import FrameSettings
from wstal.media.frames import (
    choose_decoder,
    load_decoder,
    open_frames,
    read_frames,
    read_timeline,
)

CLIPS = {
    "constant": {"count": 60},
    "ntsc": {"count": 60, "rate": Fraction(30000, 1001)},
    "slow": {"count": 24, "rate": Fraction(12)},
    "odd": {"count": 40, "rate": Fraction(981, 50)},
    "variable": {"count": 50, "times": list(np.cumsum([0, *[0.02, 0.06] * 24, 0.02]))},
}


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_same_frames_at_the_same_times(tmp_path, name, suffix):
    path = write_clip(tmp_path / f"a{suffix}", **CLIPS[name])
    ours = read_timeline(path, 25)
    assert ours.frames == CLIPS[name]["count"]
    assert choose_decoder(path, ours.frame_index, "decord") == ("decord", "")
    same_pictures(path, ours.frame_index)


class Shifted:
    """A decoder that shows what comes one frame earlier, and lacks the last."""

    @staticmethod
    def pictures(path, wanted, convert):
        return pyav.pictures(path, wanted[1:], convert)


def with_edit_list(folder: Path) -> Path:
    """An MP4 whose edit list hides its first 20 frames, as `ffmpeg -ss -c copy` leaves it."""
    path = write_clip(folder / "a.mp4", 60)
    data = path.read_bytes()
    at = data.index(b"elst") + 12
    scale = int.from_bytes(data[data.index(b"mdhd") + 16 :][:4], "big")
    begin = int.from_bytes(data[at + 4 : at + 8], "big") + 20 * scale // 25
    path.write_bytes(data[: at + 4] + begin.to_bytes(4, "big") + data[at + 8 :])
    return path


def mirrored(folder: Path) -> Path:
    """An MP4 that is shown mirrored."""
    return write_matrix(write_clip(folder / "a.mp4", 8), -1, 0, 0, 1)


def within_group(folder: Path) -> Path:
    """A transport stream that begins within a group of pictures."""
    data = write_clip(folder / "whole.ts", 60, options={"g": "30"}).read_bytes()
    (folder / "a.ts").write_bytes(data[: 188 * 3] + data[188 * (len(data) // 188 // 4) :])
    return folder / "a.ts"


def not_utf8(folder: Path) -> Path:
    """A file whose name decord cannot take."""
    return write_clip(folder / "a.mp4", 8).rename(folder / os.fsdecode(b"caf\xe9.mp4"))


KINDS = {each.__name__: each for each in (with_edit_list, mirrored, within_group, not_utf8)}
SAME = (("with_edit_list", "decord"), ("within_group", "decord"))  # in sequence, it is right


def same_pictures(path, index, **settings):
    ours = read_frames(path, index, **settings)
    theirs = read_frames(path, index, decoder="decord", **settings)
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a, b)


def test_rotation(tmp_path):
    path = rotate_header(write_clip(tmp_path / "a.mp4", 8), 90)
    ours = read_timeline(path, 25)
    assert (ours.width, ours.height) == (96, 160)
    assert choose_decoder(path, ours.frame_index, "decord") == ("decord", "")
    same_pictures(path, ours.frame_index)


def test_real_clips_agree_to_the_bit(reference):
    """Mixed codecs and containers, two video streams, AVI without display times."""
    for path in sorted((reference / "data" / "videos").iterdir()):
        index = read_timeline(path, 5).frame_index
        if path.name == "corrupted.mp4":
            name, reason = choose_decoder(path, index, "decord")
            assert name == "pyav" and "decord stops at damage" in reason
            continue
        assert choose_decoder(path, index, "decord") == ("decord", "")
        same_pictures(path, index, pixels="gray", short_side=128)


@pytest.mark.parametrize("decoder", ["decord", "torchcodec"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_decoder_changes_no_picture_of_a_file(tmp_path, kind, decoder, monkeypatch):
    if decoder == "torchcodec":
        monkeypatch.setitem(MODULES, "torchcodec", "others_pictures")
        monkeypatch.setitem(sys.modules, "others_pictures", Shifted)
    path = KINDS[kind](tmp_path)
    settings = FrameSettings(decoder=decoder)
    (plain,) = decode_frames([Probed("v", path)], tmp_path / "pyav", FrameSettings())
    (record,) = decode_frames([Probed("v", path)], tmp_path / "other", settings)
    assert record.key == plain.key and record.sha256 == plain.sha256
    used = read_attrs(tmp_path / "other" / record.path)["decoder"]
    assert used == (decoder if (kind, decoder) in SAME else "pyav")
    assert (f"{decoder} is not used: " in record.reason) == (used == "pyav")
    both = [
        np.concatenate(list(open_frames(tmp_path / folder / record.path)))
        for folder in ("pyav", "other")
    ]
    assert np.array_equal(*both)


def test_windows_change_nothing(tmp_path, monkeypatch, reference):
    monkeypatch.setattr(decord, "WINDOW_BYTES", 20 * 160 * 96 * 3)
    path = write_clip(tmp_path / "a.mp4", 90)
    read = list(decord.pictures(path, np.arange(0, 90, 2), number_of))
    assert read == list(range(0, 90, 2))
    # random access fails in this one: its index counts packets that hold no picture
    packed = next((reference / "data" / "videos").glob("hmdb51*.avi"))
    monkeypatch.setattr(decord, "WINDOW_BYTES", 20 * 320 * 240 * 3)
    index = np.arange(0, 83, 3)
    ours = pyav.pictures(packed, index, np.array)
    for a, b in zip(ours, decord.pictures(packed, index, np.array), strict=True):
        assert np.array_equal(a, b)


def test_bad_files_are_media_errors(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0" * 500)
    sound = write_clip(tmp_path / "b.mp4", 5)
    sound.write_bytes(sound.read_bytes()[:2000])
    for path in (tmp_path / "a.mp4", sound, tmp_path / "absent.mp4"):
        with pytest.raises(MediaError, match=path.name):
            next(decord.pictures(path, np.arange(1), np.array))


MEMORY = """
import sys, time
from pathlib import Path
import numpy as np
from wstal.media.frames import load_decoder, read_frames
load_decoder(sys.argv[2])
def peak():  # KiB; ru_maxrss would start with what the parent process held
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
base = peak()
frames = 0
for chunk in read_frames(sys.argv[1], np.arange(400), short_side=256, decoder=sys.argv[2], chunk=16):
    frames += len(chunk)
    if frames < 80:
        time.sleep(0.15)  # a slow consumer
print(frames, (peak() - base) // 1024)
"""


@pytest.mark.parametrize(("decoder", "limit"), [("pyav", 150), ("decord", 400)])
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is in /proc")
def test_memory_does_not_grow_with_length(tmp_path_factory, decoder, limit):
    path = tmp_path_factory.getbasetemp() / "long.mp4"
    if not path.exists():  # 1.1 GB of decoded pictures
        write_clip(path, 400, size=(1280, 720), options={"g": "60"})
    run = [sys.executable, "-c", MEMORY, str(path), decoder]
    frames, grown = map(int, subprocess.check_output(run, text=True).split())
    assert frames == 400
    assert grown < limit


def opencv_pictures(path):
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
def test_pictures_are_opencvs_to_the_bit(tmp_path, pixels):
    path = write_clip(tmp_path / "a.mp4", 30, pixels=pixels)
    ours = list(pictures(path, np.arange(30), np.array))
    assert [number_of(picture) for picture in ours] == list(range(30))
    assert np.array_equal(ours, list(opencv_pictures(path)))


def test_full_range_is_not_stretched_twice(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 5, full_range=True)
    ours = list(pictures(path, np.arange(5), np.array))
    assert np.array_equal(ours, list(opencv_pictures(path)))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(tmp_path, degrees):
    path = rotate_header(write_clip(tmp_path / "a.mp4", 5), degrees)
    found = scan(path)
    assert found.rotation == -degrees % 360
    ours = list(pictures(path, np.arange(5), np.array))
    assert ours[0].shape == (found.height, found.width, 3)
    assert np.array_equal(ours, list(opencv_pictures(path)))


def test_real_clips_give_opencvs_pictures(reference):
    for name in (
        "BjCEufrlXm4.mp4",
        "v_GGSY1Qvo990.mp4",
        "pose_squats.mp4",
        "v_Archery_g03_c03.avi",
    ):
        path = reference / "data" / "videos" / name
        expected = list(opencv_pictures(path))
        wanted = np.arange(0, len(expected), 20)
        ours = pictures(path, wanted, np.array)
        for index, picture in zip(wanted, ours, strict=True):
            assert np.array_equal(picture, expected[index]), (name, index)


def test_scan_measures(tmp_path):
    found = scan(write_clip(tmp_path / "a.mp4", 24, rate=Fraction(12), sound=np.zeros((1, 32000))))
    assert np.allclose(found.pts - found.pts[0], np.arange(24) / 12)
    assert (found.width, found.height, found.expected, found.rate) == (160, 96, 24, 12)
    assert found.sound == pytest.approx((0, 2), abs=0.1)
    assert not found.silence
    assert not found.faults


def test_a_file_cut_short_keeps_its_frames_and_says_so(tmp_path):
    whole = write_clip(tmp_path / "a.mkv", 250)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    found = scan(cut)
    assert 50 < len(found.pts) < 240
    assert any("cut short" in fault for fault in found.faults)
    last = list(pictures(cut, np.array([0, len(found.pts) - 1]), np.array))[-1]
    assert number_of(last) == len(found.pts) - 1


def test_what_holds_no_video_is_an_error_that_names_it(tmp_path):
    mp4 = write_clip(tmp_path / "a.mp4", 60)
    (tmp_path / "cut.mp4").write_bytes(mp4.read_bytes()[:3000])  # the index is at the end
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.avi").write_text("not a video\n" * 100)
    for path in [*map(tmp_path.joinpath, ("cut.mp4", "empty.mp4", "text.avi", "no.mp4")), tmp_path]:
        with pytest.raises(MediaError) as error:
            scan(path)
        assert str(path) in str(error.value)


def test_damaged_bytes_never_escape_as_another_error(tmp_path):
    rng = np.random.default_rng(0)
    for suffix, codec in ((".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4")):
        data = write_clip(tmp_path / f"a{suffix}", 60, codec=codec).read_bytes()
        told = 0
        for trial in range(12):
            bad = bytearray(data)
            for place in rng.integers(len(bad), size=3 + trial * 4):
                bad[place] ^= 1 << int(rng.integers(8))
            path = tmp_path / f"bad{suffix}"
            path.write_bytes(bad)
            try:
                told += bool(scan(path).faults)
            except MediaError:
                told += 1
        assert told, suffix


def test_by_name():
    assert load_decoder("pyav") is pyav
    assert load_decoder("decord") is decord
    with pytest.raises(WstalError, match="opencv.*pyav, decord, torchcodec"):
        load_decoder("opencv")


def test_one_that_does_not_load_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    monkeypatch.delitem(sys.modules, "wstal.media.decoders.torchcodec", raising=False)
    monkeypatch.delattr(
        "wstal.media.decoders.torchcodec", raising=False
    )  # a test before may have it
    with pytest.raises(WstalError, match="torchcodec does not load here .*torchcodec.*recipe"):
        load_decoder("torchcodec")


@pytest.fixture
def torchcodec():
    """The third decoder, where it loads."""
    try:
        from wstal.media.decoders import torchcodec
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"torchcodec does not load: {str(error)[:100]}")
    return torchcodec


@pytest.mark.parametrize("name", ["slow", "variable"])
def test_torchcodec_gives_the_same_frames_at_the_same_times(torchcodec, tmp_path, name):
    path = write_clip(tmp_path / "a.mp4", **CLIPS[name])
    ours = read_timeline(path, 25)
    assert choose_decoder(path, ours.frame_index, "torchcodec") == ("torchcodec", "")
    a = read_frames(path, ours.frame_index)
    b = read_frames(path, ours.frame_index, decoder="torchcodec")
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_bad_files_are_media_errors_in_torchcodec(torchcodec, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0" * 500)
    with pytest.raises(MediaError, match="a.mp4"):
        next(torchcodec.pictures(tmp_path / "a.mp4", np.arange(1), np.array))
