"""Sampled snippets are those that the stages cut."""

import numpy as np
import pytest
from video_clips import number_of, write_clip
from wstal.features.sample_snippets import sample_snippets


@pytest.mark.parametrize(("stream", "channels"), [("rgb", 3), ("flow", 2)])
@pytest.mark.parametrize(("frames", "count"), [(40, 2), (33, 2), (70, 3), (5, 1)])
def test_count_and_shape(tmp_path, stream, channels, frames, count):
    clip = write_clip(tmp_path / "clip.mp4", frames, size=(80, 48))
    found = list(sample_snippets(clip, stream, 3, short_side=48, crop=32))
    assert len(found) == count
    assert {each.shape for each in found} == {(16, 32, 32, channels)}
    assert {each.dtype for each in found} == {np.dtype({"rgb": "u1", "flow": "i1"}[stream])}


def test_frames_follow_each_other(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 60, size=(160, 160))
    found = np.concatenate(list(sample_snippets(clip, "rgb", 2, short_side=160, crop=160)))
    assert [number_of(picture) for picture in found] == list(range(32))
