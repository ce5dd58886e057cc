"""Sound of any rate, layout and place in the file; silence and damage say what they are."""

import numpy as np
import pytest
import soxr
from video_clips import write_clip
from wstal.base.errors import MediaError, WstalError
from wstal.media.sound import NoAudio, decode_sound, read_sound


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
    assert click == pytest.approx(1 + sound_start - video_start, abs=2e-3)


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
