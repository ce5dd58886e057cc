"""A file per video and stream, named after both."""

import numpy as np
import pytest
from published_features import VIDEOS, features, recipe, write_streams
from wstal.data.annotations import Annotations
from wstal.data.published import NothingThere
from wstal.errors import WstalError
from wstal.features.importers.conversion import match_names
from wstal.features.importers.streams import find_streams
from wstal.features.pack import FeatureFile
from wstal.inference.feature_folder import write_arrays
from wstal.store import safe_name


def test_the_name_says_video_and_stream(tmp_path):
    content = features()
    write_streams(tmp_path / "i3d", content)
    for other in ("fps", "timestamps_ms"):  # what video_features writes besides
        np.save(tmp_path / "i3d" / f"{VIDEOS[0]}_{other}.npy", np.float32(25))
    found = find_streams(tmp_path, recipe("streams")["import"])
    assert sorted(video.name for video in found.videos) == sorted(VIDEOS)
    for video in found.videos:
        streams = video.read().streams
        assert list(streams) == ["rgb", "flow"]
        for name, array in streams.items():
            np.testing.assert_array_equal(array, content[video.name][name])


def test_one_stream_alone_is_enough_and_no_other_is_read(tmp_path):
    write_streams(tmp_path, features())
    found = find_streams(tmp_path, recipe("streams", order=["flow"])["import"])
    assert len(found.videos) == len(VIDEOS)
    assert [list(video.read().streams) for video in found.videos] == [["flow"]] * len(VIDEOS)


def test_a_video_that_lacks_a_stream_is_named(tmp_path):
    write_streams(tmp_path, features())
    (tmp_path / f"{VIDEOS[0]}_flow.npy").unlink()
    found = find_streams(tmp_path, recipe("streams")["import"])
    assert len(found.videos) == len(VIDEOS) - 1
    assert found.facts["lacking_a_stream"] == [VIDEOS[0]]
    with pytest.raises(NothingThere, match=r"_audio.npy"):
        find_streams(tmp_path, recipe("streams", order=["audio"])["import"])


def test_what_extract_features_writes_is_read_back(tmp_path):
    from small_set import write_small_set

    path, annotations = write_small_set(tmp_path)
    with FeatureFile(path) as packed:
        write_arrays(packed, tmp_path / "out", "streams")
        settings = recipe("streams", order=["rgb", "flow", "audio"])["import"]
        found = find_streams(tmp_path / "out", settings)
        assert {video.name for video in found.videos} == set(annotations.database)
        for video in found.videos:
            for name, array in video.read().streams.items():
                np.testing.assert_array_equal(array, packed.read(video.name, [name]))


def test_an_id_that_is_a_path_is_read_back(tmp_path):
    for name in ("sub/50% clip", "a_b"):
        np.save(tmp_path / f"{safe_name(name)}_rgb.npy", np.ones((2, 6)))
    found = find_streams(tmp_path, recipe("streams", order=["rgb"])["import"])
    assert {video.name for video in found.videos} == {"sub/50% clip", "a_b"}


def test_an_id_whose_name_was_cut_is_matched(tmp_path):
    video = "".join(chr(0x4E00 + number) for number in range(40))
    np.save(tmp_path / f"{safe_name(video)}_rgb.npy", np.ones((2, 6)))
    found = find_streams(tmp_path, recipe("streams", order=["rgb"])["import"])
    given = Annotations(
        ["run"], {video: {"subset": "test", "duration": 9.0, "labels": ["run"], "annotations": []}}
    )
    assert list(match_names(given, found.videos)) == [video]


def test_pickled_objects_are_refused(tmp_path):
    np.save(tmp_path / "a_rgb.npy", np.array([{}], dtype=object), allow_pickle=True)
    found = find_streams(tmp_path, recipe("streams", order=["rgb"])["import"])
    with pytest.raises(WstalError, match="pickled"):
        found.videos[0].read()
