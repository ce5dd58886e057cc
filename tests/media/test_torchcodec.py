"""The third backend where it loads; elsewhere these tests say why they were skipped."""

import numpy as np
import pytest
from video_clips import write_clip
from wstal.base.errors import MediaError
from wstal.media.frames import read_frames
from wstal.media.timeline import timeline

try:
    from wstal.media.decoders import torchcodec
except (ImportError, RuntimeError, OSError) as error:
    pytest.skip(f"torchcodec does not load: {str(error)[:100]}", allow_module_level=True)


@pytest.mark.parametrize("times", [None, list(np.cumsum([0, *[0.02, 0.06] * 14, 0.02]))])
def test_same_frames_at_the_same_times(tmp_path, times):
    path = write_clip(tmp_path / "a.mp4", 30, times=times)
    ours, theirs = timeline(path, 25), timeline(path, 25, "torchcodec")
    assert np.allclose(ours.times, theirs.times)
    assert np.array_equal(ours.frame_index, theirs.frame_index)
    a = read_frames(path, ours.frame_index)
    b = read_frames(path, ours.frame_index, decoder="torchcodec")
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_bad_files_are_media_errors(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0" * 500)
    with pytest.raises(MediaError, match="a.mp4"):
        torchcodec.scan(tmp_path / "a.mp4")
