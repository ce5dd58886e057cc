"""The frames and audio stages and their scripts: no bad video ends a shard."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soxr
import warm_python
from decoded_videos import Probed, decode_audio, decode_frames
from video_clips import number_of, write_clip
from wstal.base.array_store import read_arrays, read_attrs, read_shard
from wstal.base.errors import MediaError, WstalError
from wstal.base.user_files import file_sha256
from wstal.media import frame_stage
from wstal.media.frame_stage import FrameSettings
from wstal.media.frames import open_frames
from wstal.media.sound import AudioSettings, NoAudio, decode_sound, read_sound

FRAMES = FrameSettings()


def probed(path, status="ok", reason=""):
    sha256 = file_sha256(path) if path.is_file() else ""
    return Probed(path.stem, path, sha256, status, reason)


@pytest.fixture
def videos(tmp_path):
    sound = 0.25 * np.ones((1, 16000), np.float32)
    good = write_clip(tmp_path / "good.mkv", 25, sound=sound, sound_codec="pcm_s16le")
    silent = write_clip(tmp_path / "silent.mp4", 20)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(write_clip(tmp_path / "whole.mkv", 100).read_bytes()[:9000])
    rotten = tmp_path / "rotten.mp4"
    rotten.write_bytes(b"\1" * 1000)
    return [
        probed(good),
        probed(silent, "no_audio", "no sound track"),
        probed(cut, "partial", "cut short"),
        probed(rotten),  # went bad after the probe
        probed(tmp_path / "gone.mp4", "missing", "no such file"),
    ]


def test_frames(videos, tmp_path):
    records = {r.id: r for r in decode_frames(videos, tmp_path / "out", FRAMES)}
    assert {i: r.status for i, r in records.items()} == {
        **{"good": "ok", "silent": "ok", "cut": "partial"},
        **{"rotten": "broken", "gone": "missing"},
    }
    assert "rotten.mp4" in records["rotten"].reason
    assert records["gone"].reason == "no such file"
    assert "cut short" in records["cut"].reason
    assert (records["good"].rows, records["silent"].rows) == (25, 20)

    path = tmp_path / "out" / records["good"].path
    arrays, attrs = read_arrays(path), read_attrs(path)
    assert arrays["frame_index"].tolist() == list(range(25))
    assert np.allclose(arrays["times"], np.arange(25) / 25)
    assert (attrs["fps"], attrs["duration"], attrs["rows"]) == (25, 1.0, 25)
    assert (attrs["width"], attrs["height"], attrs["rotation"]) == (160, 96, 0)
    assert attrs["video"] == str(videos[0].path)
    assert json.loads(attrs["provenance_json"])["versions"]["av"]


def test_files_are_kept_while_their_key_holds(videos, tmp_path, monkeypatch):
    calls = []
    real = frame_stage.read_timeline
    monkeypatch.setattr(
        frame_stage, "read_timeline", lambda *a: calls.append(a[0].stem) or real(*a)
    )
    good = videos[:1]
    first = decode_frames(good, tmp_path / "out", FRAMES)
    assert decode_frames(good, tmp_path / "out", FrameSettings(decoder="decord")) == first
    assert calls == ["good"]
    decode_frames(good, tmp_path / "out", FRAMES, "new code")
    decode_frames(good, tmp_path / "out", FrameSettings(fps=10), "new code")
    assert calls == ["good"] * 3


def test_a_moved_video_is_followed(videos, tmp_path):
    (record,) = decode_frames(videos[:1], tmp_path / "out", FRAMES)
    moved = videos[0].path.rename(tmp_path / "moved.mkv")
    video = videos[0]._replace(path=moved)
    assert decode_frames([video], tmp_path / "out", FRAMES) == [record]
    pictures = np.concatenate(list(open_frames(tmp_path / "out" / record.path)))
    assert [number_of(p) for p in pictures] == list(range(25))


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_cached_pixels(videos, tmp_path, decoder):
    settings = FrameSettings(fps=12.5, decoder=decoder, cache_frames=True)
    (record,) = decode_frames(videos[:1], tmp_path / "out", settings)
    rgb = read_arrays(tmp_path / "out" / record.path, ["rgb"])["rgb"]
    assert rgb.shape == (13, 96, 160, 3)
    assert [number_of(p) for p in rgb] == list(range(0, 25, 2))


def test_audio(videos, tmp_path, monkeypatch):
    records = {r.id: r for r in decode_audio(videos, tmp_path / "out", AudioSettings())}
    assert {i: r.status for i, r in records.items()} == {
        **{"good": "ok", "silent": "no_audio", "cut": "no_audio"},
        **{"rotten": "no_audio", "gone": "missing"},
    }
    good = tmp_path / "out" / records["good"].path
    sound = read_arrays(good)["sound"]
    assert (sound.dtype, len(sound), read_attrs(good)["rate"]) == (np.int16, 16000, 16000)
    assert np.abs(sound[4000:12000] / 32768 - 0.25).max() < 1e-3
    assert read_arrays(tmp_path / "out" / records["silent"].path)["sound"].shape == (0,)
    assert "rotten.mp4" in records["rotten"].reason


def test_scripts(videos, tmp_path, project):
    ids = [video.id for video in videos]
    entry = {"subset": "test", "duration": None, "labels": [], "annotations": []}
    database = {"version": "wstal-1", "classes": [], "database": dict.fromkeys(ids, entry)}
    (tmp_path / "annotations.json").write_text(json.dumps(database))

    def run(name, *arguments):
        command = [sys.executable, str(project / "scripts" / name), *map(str, arguments)]
        warm_python.run(command, check=True)

    probe = tmp_path / "manifest" / "shard0.csv"
    source = ["--annotations", tmp_path / "annotations.json", "--videos", tmp_path]
    run("probe_videos.py", *source, "--output", probe)
    for kind, recipe in (("frames", {"fps": 25}), ("audio", {"rate": 16000})):
        output = tmp_path / kind / "shard0.csv"
        made = ["--recipe", json.dumps(recipe), "--code", "c", "--output", output]
        run(f"decode_{kind}.py", "--probe", probe, *made)
        status = {record.id: record.status for record in read_shard(output)}
        assert status["gone"] == "missing"
        assert status["rotten"] == "broken"  # the probe saw it by now
        assert status["good"] == "ok"
        assert Path(output.parent / "good.h5").is_file()


# Sound of any rate, layout and place in the file; silence and damage say what they are.


def tone(seconds, rate, hertz=440.0, channels=1):
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    return np.repeat(wave[None], channels, 0).astype(np.float32)


def frequency(sound, rate=16000):
    return np.argmax(np.abs(np.fft.rfft(sound))) * rate / len(sound)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_any_rate(tmp_path, rate):
    path = write_clip(tmp_path / "a.mp4", 50, sound=tone(2, rate), sound_rate=rate)
    sound = read_sound(path)
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(32000, abs=16000 * 1024 / rate + 1)
    assert frequency(sound[:32000]) == pytest.approx(440, abs=1)
    # AAC overshoots single peaks, not the power
    assert np.sqrt(np.mean(sound[8000:24000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), abs=0.02)


def test_8_khz_stereo_is_the_mean_of_its_channels(tmp_path):
    wave = tone(2, 8000, channels=2)
    wave[1] = 0
    path = write_clip(tmp_path / "a.mkv", 50, sound=wave, sound_rate=8000, sound_codec="pcm_s16le")
    sound = read_sound(path)
    assert len(sound) == 32000
    expected = soxr.resample(wave.mean(axis=0), 8000, 16000, quality="HQ")
    assert np.abs(sound - expected).max() < 1e-3


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_f32le"])
def test_sample_formats_and_surround(tmp_path, codec):
    wave = tone(1, 16000, channels=6)
    path = write_clip(tmp_path / "a.mkv", 25, sound=wave, sound_codec=codec)
    assert np.abs(read_sound(path) - wave[0]).max() < (0.02 if codec == "pcm_u8" else 1e-3)


@pytest.mark.parametrize(("sound_start", "video_start"), [(0.5, 0.0), (0.0, 0.48), (0.32, 0.32)])
def test_sound_keeps_its_place_beside_the_pictures(tmp_path, sound_start, video_start):
    wave = np.zeros((1, 32000), np.float32)
    wave[0, 16000:16160] = 0.8  # a click one second in
    path = write_clip(
        tmp_path / "a.mkv",
        50,
        sound=wave,
        sound_codec="pcm_s16le",
        sound_start=sound_start,
        video_start=video_start,
    )
    click = np.flatnonzero(read_sound(path) > 0.4)[0] / 16000
    zero = min(sound_start, video_start)
    assert click == pytest.approx(1 + sound_start - zero, abs=2e-3)


def test_block_by_block_equals_at_once(tmp_path):
    rng = np.random.default_rng(0)
    wave = rng.uniform(-0.5, 0.5, (1, 44100)).astype(np.float32)
    path = write_clip(tmp_path / "a.mkv", 25, sound=wave, sound_rate=44100, sound_codec="pcm_f32le")
    ours = read_sound(path)
    whole = soxr.resample(wave[0], 44100, 16000, quality="HQ")
    assert len(ours) == len(whole) == 16000
    assert np.abs(ours - whole).max() < 1e-6


def test_resampy_is_the_exact_choice(tmp_path):
    import resampy

    wave = tone(1, 44100)
    path = write_clip(tmp_path / "a.mkv", 25, sound=wave, sound_rate=44100, sound_codec="pcm_f32le")
    expected = resampy.resample(wave[0], 44100, 16000, filter="kaiser_best")
    assert np.abs(read_sound(path, resampler="resampy") - expected).max() < 1e-6
    with pytest.raises(WstalError, match="sox9"):
        read_sound(path, resampler="sox9")


def test_absent_and_undecodable_sound(tmp_path):
    with pytest.raises(NoAudio, match="silent.mp4"):
        read_sound(write_clip(tmp_path / "silent.mp4", 5))
    with pytest.raises(MediaError, match="gone.mp4"):
        read_sound(tmp_path / "gone.mp4")


def test_holes_are_silence(tmp_path):
    path = write_clip(tmp_path / "a.mkv", 75, sound=tone(3, 16000), sound_codec="pcm_s16le")
    data = path.read_bytes()
    cut = tmp_path / "cut.mkv"
    middle = len(data) // 2
    cut.write_bytes(data[: middle - 12000] + data[middle + 12000 :])
    sound = decode_sound(cut).samples
    assert len(sound) == pytest.approx(48000, abs=2048)
    assert (sound == 0).sum() > 4000


def test_real_clips(reference):
    folder = reference / "data" / "videos"
    expected = {"BjCEufrlXm4.mp4": 10.0078, "flipping_a_pancake.mkv": 10.3677, "test.avi": 6.5567}
    for name, seconds in expected.items():
        sound = read_sound(folder / name)
        assert len(sound) / 16000 == pytest.approx(seconds, abs=2e-3)
        assert np.isfinite(sound).all()
    with pytest.raises(NoAudio):
        read_sound(folder / "pose_squats.mp4")
