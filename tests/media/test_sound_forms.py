"""Sound of any length, rate and layout, also where they change within a file."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from decoded_videos import Probed, decode_audio
from video_clips import numbered, write_clip
from wstal.base.array_store import read_arrays
from wstal.media.probe import probe
from wstal.media.sound import RESAMPLERS, AudioSettings, decode_sound, read_sound

RATES = (8000, 11025, 22050, 44100, 48000, 96000, 192000)
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 6: "5.1", 8: "7.1", 16: "hexadecagonal"}


def tone(seconds, rate, hertz=440.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def write_sound(path, samples, rate, channels=1, seconds=0.2, codec="pcm_s16le"):
    """A clip with `samples` in each channel of its sound."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        audio = file.add_stream(codec, rate=rate, layout=LAYOUTS[channels])
        for number in range(round(seconds * 25)):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(video.encode(frame))
        file.mux(video.encode())
        for first in range(0, len(samples), 1024):
            codes = np.rint(samples[first : first + 1024] * 32767).astype(np.int16)
            block = np.repeat(codes[:, None], channels, 1).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=LAYOUTS[channels])
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            file.mux(audio.encode(frame))
        file.mux(audio.encode())
    return path


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
@pytest.mark.parametrize("rate", RATES)
def test_resampy_gives_the_length_of_soxr_from_a_single_sample_on(tmp_path, count, rate):
    path = write_sound(tmp_path / "a.mkv", np.full(count, 0.5), rate)
    lengths = {len(read_sound(path, resampler=name)) for name in RESAMPLERS}
    assert lengths == {int(count * 16000 / rate + 0.5)}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 4409, 4410, 4411])
@pytest.mark.parametrize("rate", [*RATES, 7999, 16000, 16001])
def test_both_resamplers_keep_the_duration(count, rate):
    block = np.ones(count, np.float32)
    found = {}
    for name, resampler in RESAMPLERS.items():
        resample = resampler(rate, 16000)
        parts = [resample(block[:2], False), resample(block[2:], False), resample(block[:0], True)]
        found[name] = np.concatenate(parts)
    assert len(found["soxr"]) == len(found["resampy"]) == int(count * 16000 / rate + 0.5)


@pytest.mark.parametrize("resampler", RESAMPLERS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_sound_costs_no_pictures(tmp_path, resampler, count):
    path = write_sound(tmp_path / "a.mkv", np.full(count, 0.5), 44100)
    assert probe(path).frames == 5 and probe(path).status in ("ok", "no_audio")
    settings = AudioSettings(resampler=resampler)
    (record,) = decode_audio([Probed("v", path)], tmp_path / "audio", settings)
    assert record.usable and record.rows == int(count * 16000 / 44100 + 0.5)
    assert len(read_arrays(tmp_path / "audio" / record.path)["sound"]) == record.rows


@pytest.mark.parametrize("channels", LAYOUTS)
@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_every_rate_and_number_of_channels_gives_the_same_mono(tmp_path, channels, rate):
    path = write_sound(tmp_path / "a.mkv", tone(0.5, rate), rate, channels, 0.5)
    sound = read_sound(path)
    assert len(sound) == 8000
    assert np.abs(sound - tone(0.5, 16000))[200:-200].max() < 0.01


@pytest.mark.parametrize(
    ("second_rate", "second_layout"), [(22050, 1), (48000, 2), (44100, 2), (8000, 1)]
)
def test_a_change_of_rate_or_layout_within_a_stream_keeps_pitch_and_time(
    tmp_path, second_rate, second_layout
):
    """Two transport streams, one after the other, as a broadcast changes its programme."""
    joined = tmp_path / "joined.ts"
    parts = []
    for number, (rate, channels) in enumerate([(44100, 1), (second_rate, second_layout)]):
        sound = np.repeat(tone(1, rate)[None], channels, 0)
        clip = tmp_path / f"{number}.ts"
        write_clip(clip, 25, sound=sound, sound_rate=rate, sound_start=number, video_start=number)
        parts.append(clip.read_bytes())
    joined.write_bytes(b"".join(parts))
    for resampler in RESAMPLERS:
        sound = decode_sound(joined, resampler=resampler).samples
        assert len(sound) == pytest.approx(32000, abs=2100)  # AAC fills its last frame
        for first in (2000, 20000):
            spectrum = np.abs(np.fft.rfft(sound[first : first + 8000] * np.hanning(8000)))
            assert spectrum.argmax() * 2 == pytest.approx(440, abs=4)  # Hz
