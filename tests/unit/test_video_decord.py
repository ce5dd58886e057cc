"""The second backend gives what PyAV gives, also window by window."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from video_clips import number_of, rotate_header, write_clip
from wstal.errors import MediaError
from wstal.video import decord, pyav
from wstal.video.frames import read_frames
from wstal.video.timeline import timeline

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
    ours, theirs = timeline(path, 25), timeline(path, 25, "decord")
    assert ours.frames == CLIPS[name]["count"]
    assert np.allclose(ours.times, theirs.times, atol=2e-4)
    assert np.array_equal(ours.frame_index, theirs.frame_index)
    same_pictures(path, ours.frame_index)


def same_pictures(path, index, **settings):
    ours = read_frames(path, index, **settings)
    theirs = read_frames(path, index, decoder="decord", **settings)
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a, b)


def test_rotation(tmp_path):
    path = rotate_header(write_clip(tmp_path / "a.mp4", 8), 90)
    ours, theirs = timeline(path, 25), timeline(path, 25, "decord")
    assert (theirs.width, theirs.height) == (ours.width, ours.height) == (96, 160)
    same_pictures(path, ours.frame_index)


def test_real_clips_agree_to_the_bit(reference):
    """Mixed codecs and containers, two video streams, AVI without display times."""
    for path in sorted((reference / "data" / "videos").iterdir()):
        if path.name == "corrupted.mp4":
            with pytest.raises(MediaError, match="corrupted.mp4.*pyav"):
                timeline(path, 25, "decord")
            continue
        ours, theirs = timeline(path, 5), timeline(path, 5, "decord")
        assert np.array_equal(ours.frame_index, theirs.frame_index), path
        assert np.allclose(ours.times, theirs.times, atol=1e-4), path
        assert (ours.width, ours.height) == (theirs.width, theirs.height)
        same_pictures(path, ours.frame_index, pixels="gray", short_side=128)


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
            decord.scan(path)


MEMORY = """
import sys, time
from pathlib import Path
import numpy as np
from wstal.video.frames import read_frames
from wstal.video.scan import backend
backend(sys.argv[2])
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
