"""A probe measures and never raises."""

from fractions import Fraction

import av
import numpy as np
from video_clips import rotate_header, write_clip
from wstal.video.info import probe


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
