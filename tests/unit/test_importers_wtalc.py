"""W-TALC's joint array, as Python 2 wrote it and as an attacker would."""

import os

import numpy as np
import pytest
import yaml
from published_features import VIDEOS, annotations, features, recipe, write_wtalc
from published_sets import write_numpy, write_object_array
from wstal.data.thumos14 import read_thumos14
from wstal.errors import WstalError
from wstal.features.importers.conversion import match_names
from wstal.features.importers.layouts import find_features


def found(folder, labels=()):
    return find_features(folder, recipe("wtalc")["import"], annotations(), labels)


def test_each_video_has_its_element_split_into_streams(tmp_path):
    content = features()
    write_wtalc(tmp_path, content)
    videos = found(tmp_path).videos
    assert [video.name for video in videos] == VIDEOS
    for video in videos:
        streams = video.read().streams
        for name in ("rgb", "flow"):
            np.testing.assert_array_equal(streams[name], content[video.name][name])


def test_names_may_lie_with_the_label_files_as_bytes(tmp_path):
    write_wtalc(tmp_path / "features", features())
    (tmp_path / "features/videoname.npy").unlink()
    labels = write_numpy(tmp_path / "labels")
    assert [video.name for video in found(tmp_path / "features", labels).videos] == VIDEOS


def test_videos_of_equal_length_make_a_plain_array(tmp_path):
    np.save(tmp_path / "XFeatures.npy", np.arange(4 * 3 * 12, dtype=np.float32).reshape(4, 3, 12))
    np.save(tmp_path / "videoname.npy", np.array(VIDEOS))
    last = found(tmp_path).videos[-1].read().streams
    assert last["flow"][-1].tolist() == list(range(138, 144))


def test_names_of_another_number_are_refused(tmp_path):
    write_wtalc(tmp_path, features(), names=VIDEOS[:3])
    with pytest.raises(WstalError, match="has 4 videos.*names 3"):
        found(tmp_path)


def test_two_joint_arrays_are_not_guessed_between(tmp_path):
    write_wtalc(tmp_path / "i3d", features())
    write_wtalc(tmp_path / "unt", features())
    with pytest.raises(WstalError, match="2 joint arrays.*named like its recipe"):
        found(tmp_path)


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_a_hostile_joint_array_is_refused_and_runs_nothing(tmp_path):
    write_wtalc(tmp_path, features())
    marker = tmp_path / "ran"
    write_object_array(tmp_path / "Small-I3D-JOINTFeatures.npy", [Attack(marker)] * 4)
    with pytest.raises(WstalError, match="refused"):
        found(tmp_path)
    assert not marker.exists()


def test_an_element_that_is_no_array_is_refused(tmp_path):
    write_wtalc(tmp_path, features())
    write_object_array(tmp_path / "Small-I3D-JOINTFeatures.npy", [["text"]] * 4)
    with pytest.raises(WstalError, match="no array of numbers"):
        found(tmp_path).videos[0].read()


def test_the_real_names_cover_thumos14_but_for_one_video(tmp_path, reference, project):
    labels = sorted((reference / "data/annotations/thumos14").rglob("*.*"))
    facts = yaml.safe_load((project / "workflow/reference/datasets/thumos14.yaml").read_text())
    given, _ = read_thumos14(labels, {}, facts)
    names = np.load(
        reference / "data/annotations/thumos14/Thumos14reduced-Annotations/videoname.npy"
    )
    arrays = [np.full((2, 12), i, dtype=np.float32) for i in range(len(names))]
    write_object_array(tmp_path / "Thumos14reduced-I3D-JOINTFeatures.npy", arrays)
    settings = recipe("wtalc")["import"]
    matched = match_names(given, find_features(tmp_path, settings, given, labels).videos)
    assert len(names) == len(matched) == 412
    assert set(given.database) - set(matched) == {"video_test_0001292"}
    assert matched["video_validation_0000051"].read().streams["rgb"][0, 0] == [
        name.decode() if isinstance(name, bytes) else name for name in names
    ].index("video_validation_0000051")
