"""The numpy annotation set."""

import numpy as np
import pytest
from published_sets import THUMOS, write_numpy, write_object_array
from wstal.data.wtalc import read_wtalc, wtalc_folders
from wstal.errors import WstalError


def test_videos_come_back_as_they_were_written(tmp_path):
    files = write_numpy(tmp_path / "set")
    assert list(wtalc_folders(files)) == [tmp_path / "set"]
    found = read_wtalc(tmp_path / "set")
    assert {video: entry.segments for video, entry in found.videos.items()} == THUMOS
    first = found.videos["video_validation_0000001"]
    assert (first.subset, first.duration, first.fps) == ("validation", 30.0, 30.0)
    assert first.labels == ["Diving"]
    assert any("10 frames" in note for note in found.notes)


def test_arrays_of_unequal_length_are_refused_by_name(tmp_path):
    write_numpy(tmp_path)
    np.save(tmp_path / "duration.npy", np.zeros((3, 1)))
    with pytest.raises(WstalError, match=r"duration\.npy has 3"):
        read_wtalc(tmp_path)


def test_segments_and_labels_must_pair(tmp_path):
    write_numpy(tmp_path)
    write_object_array(tmp_path / "labels.npy", [["Diving"]] * 4)
    with pytest.raises(WstalError, match="video_validation_0000001"):
        read_wtalc(tmp_path)


def test_an_absent_array_is_named(tmp_path):
    write_numpy(tmp_path)
    (tmp_path / "labels.npy").unlink()
    with pytest.raises(WstalError, match=r"labels\.npy"):
        read_wtalc(tmp_path)


def test_the_published_set(reference):
    folder = reference / "data/annotations/thumos14/Thumos14reduced-Annotations"
    found = read_wtalc(folder)
    assert len(found.videos) == 412 and found.instances() == 6365
    differing = [
        v for v, e in found.videos.items() if set(e.labels) != {label for *_, label in e.segments}
    ]
    assert len(differing) == 28
    assert sum("validation" in video for video in differing) == 8
    rates = [round(entry.fps) for entry in found.videos.values()]
    assert [rates.count(rate) for rate in (30, 25, 24)] == [399, 11, 2]
