"""Backbones of sound hear what is around each row, at their own rate; no sound track is silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from backbone_cases import entries, settings_of
from decoded_videos import Probed, decode_audio, decode_frames
from video_clips import write_clip
from wstal.base.array_store import read_arrays
from wstal.base.stage import Job, LoadedNetwork
from wstal.features.sound_backbone_stage import SoundBackboneStage, sound_windows
from wstal.media.frame_stage import FrameSettings
from wstal.media.sound import AudioSettings
from wstal.networks.backbone import Built, SoundNetwork


@pytest.mark.parametrize("start", [0, 3])
def test_a_window_is_centred_on_its_row_with_silence_beyond_the_ends(start):
    sound = np.arange(1.0, 101.0, dtype=np.float32)  # 10 s at 10 Hz
    windows = sound_windows(sound, 10, 1.0, 0.0, rate=10, seconds=3.0)
    found = windows(start, start + 2)
    assert found.shape == (2, 30) and found.dtype == np.float32
    expected = np.zeros(30)
    first = 10 * start + 5 - 15
    for k in range(30):
        expected[k] = sound[first + k] if 0 <= first + k < 100 else 0
    np.testing.assert_array_equal(found[0], expected)
    late = sound_windows(sound, 10, 1.0, 0.5, rate=10, seconds=1.0)
    assert late(0, 1)[0, 0] == 6  # row 0 speaks for [0.5, 1.5)


def loudness(entry):
    """A network of two numbers: how loud its samples are, and how many they are."""

    def prepare(samples):
        assert samples.dtype == np.float32
        return torch.from_numpy(samples)

    def vector(_, samples):
        loud = samples.abs().mean(1)
        return torch.stack([loud, torch.full_like(loud, samples.shape[1])], 1)

    return SoundNetwork(entry, Built(torch.nn.Identity(), vector, 2, (), prepare))


@pytest.mark.parametrize("rate", [16000, 48000])
def test_rows_of_a_clip_with_and_without_sound(tmp_path, rate):
    time = np.arange(2 * 16000) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time).astype(np.float32)
    clips = {
        "heard": write_clip(tmp_path / "heard.mp4", 50, size=(64, 48), sound=tone[None]),
        "mute": write_clip(tmp_path / "mute.mp4", 50, size=(64, 48)),
    }
    videos = [Probed(name, path) for name, path in clips.items()]
    decode_frames(videos, tmp_path / "frames", FrameSettings())
    decode_audio(videos, tmp_path / "audio", AudioSettings())
    shards = {name: tmp_path / name / "shard0.csv" for name in ("frames", "audio")}
    entry = replace(entries()["ast_audioset"], rate=rate, seconds=0.5)
    settings = replace(settings_of("ast_audioset", batch=2), entry=entry)
    stage = SoundBackboneStage("loudness", ("frames", "audio"))
    network = LoadedNetwork(loudness(entry), "untrained", "untrained")
    records = stage.shard(shards, settings, Job("c", tmp_path / "out", network=network))
    rows = {r.id: read_arrays(tmp_path / "out" / r.path)["features"] for r in records}
    assert {r.id: r.status for r in records} == {"heard": "ok", "mute": "no_audio"}
    assert rows["heard"].shape == rows["mute"].shape == (3, 2)
    assert (rows["mute"][:, 0] == 0).all() and (rows["heard"][:, 1] == rate // 2).all()
    np.testing.assert_allclose(rows["heard"][1, 0], 0.5 * 2 / np.pi, rtol=0.05)
