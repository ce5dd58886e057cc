"""MP4 writing: codecs, frame times and sound come back as they were given."""

from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
from wstal.data.render.encode import write_mp4
from wstal.data.render.plan import plan_videos
from wstal.data.render.untrimmed import draw_frames


def frames(count, size=(64, 48)):
    for k in range(count):
        yield np.full((size[1], size[0], 3), 40 + 4 * k, np.uint8)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30000, 1001)])
def test_frames_and_times_come_back(tmp_path, fps):
    write_mp4(tmp_path / "a.mp4", frames(40), fps, (64, 48), options={"bf": "2"})
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.video[0].average_rate == fps
        assert not file.streams.audio
        decoded = list(file.decode(video=0))
    assert len(decoded) == 40
    assert np.allclose([f.time for f in decoded], np.arange(40) / float(fps), atol=1e-4)
    levels = [f.to_ndarray(format="rgb24").mean() for f in decoded]
    assert np.allclose(levels, 40 + 4 * np.arange(40), atol=3)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_comes_back_in_place(tmp_path, channels):
    rate, seconds = 22050, 2.0
    sound = np.zeros((channels, int(rate * seconds)), np.float32)
    sound[:, rate : rate + 2205] = 0.5 * np.sin(np.arange(2205) * 0.2)
    write_mp4(tmp_path / "a.mp4", frames(50), Fraction(25), (64, 48), sound=sound, rate=rate)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.audio[0]
        assert (stream.codec_context.name, stream.rate) == ("aac", rate)
        blocks = list(file.decode(audio=0))
    wave = np.concatenate([b.to_ndarray() for b in blocks], axis=1)
    assert wave.shape[0] == channels
    loud = np.nonzero(np.abs(wave[0]) > 0.2)[0] / rate + blocks[0].time
    assert loud[0] == pytest.approx(1.0, abs=0.01)
    assert loud[-1] == pytest.approx(1.1, abs=0.01)


def test_same_input_same_bytes(tmp_path):
    """Whatever lay in memory before, and with B-frames."""
    rng = np.random.default_rng(0)
    (plan,) = [p for p in plan_videos({"seed": 7, "train": 24, "test": 1}) if p.id == "train_23"]
    pictures = list(islice(draw_frames(plan), 120))
    kept = set()
    for _ in range(10):
        litter = [
            np.full(int(rng.integers(1000, 400000)), int(rng.integers(256)), np.uint8)
            for _ in range(int(rng.integers(1, 20)))
        ]
        del litter[::2]
        path = tmp_path / "a.mp4"
        options = {"preset": "veryfast", "crf": "21", "g": "48", "bf": "2"}
        size = (plan.width, plan.height)
        write_mp4(path, pictures, Fraction(*plan.fps), size, options=options)
        kept.add(path.read_bytes())
    assert len(kept) == 1
