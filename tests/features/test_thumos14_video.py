"""A real THUMOS14 video, from its published frames, beside the I3D rows published with it."""

from __future__ import annotations

import re
import tarfile

import numpy as np
import pytest
from wstal.features.compare import compare_video, open_features
from wstal.media.frames import read_frames, read_timeline
from wstal.media.probe import probe
from wstal.media.timeline import snippet_count

VIDEO = "video_validation_0000051"


@pytest.fixture(scope="module")
def clip(reference, project, tmp_path_factory):
    """The frames as a video, by the code of docs/other_data.md."""
    folder = tmp_path_factory.mktemp("frames")
    with tarfile.open(reference / f"data/thumos14_video/{VIDEO}_frames.tar") as archive:
        archive.extractall(folder, filter="data")
    (folder / VIDEO).rename(folder / "frames")
    page = (project / "docs/other_data.md").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], {})
    return folder / "clip.mkv"


def test_the_frames_give_the_grid_of_the_published_rows(reference, clip):
    row = probe(clip)
    assert (row.status, row.frames, row.fps) == ("no_audio", 4243, 25)
    assert row.duration == pytest.approx(169.72)
    timeline = read_timeline(clip, 25)
    np.testing.assert_array_equal(timeline.frame_index, np.arange(4243))
    published = open_features(reference / "data/thumos14_video")
    assert published.ids() == [VIDEO] and published.streams == ["rgb", "flow"]
    for stream in published.streams:
        rows = published.read(VIDEO, [stream])
        assert rows.shape == (265, 1024) == (snippet_count(len(timeline.frame_index)), 1024)
        assert rows.min() >= 0


def test_the_published_rows_show_the_same_times_as_the_frames(reference, clip):
    """The mean pictures of each snippet stand for the rows of another network."""
    chosen = (np.arange(265)[:, None] * 16 + [2, 8, 13]).ravel()
    frames = np.concatenate(list(read_frames(clip, chosen, pixels="gray", short_side=8)))
    ours = frames.reshape(265, 3, 64).mean(1)
    published = open_features(reference / "data/thumos14_video")
    for stream in published.streams:
        theirs = {stream: published.read(VIDEO, [stream])}
        causes = compare_video({stream: ours}, theirs)["causes"]
        assert causes.endswith("same time, as the rows change alike")
        late = {stream: np.roll(theirs[stream], 1, axis=0)}
        causes = compare_video({stream: ours}, late)["causes"]
        assert "b is 1 rows late" in causes
