"""A .npy per video and stream."""

import numpy as np
import pytest
from published_features import VIDEOS, annotations, features, recipe, write_basnet
from published_sets import write_object_array
from wstal.errors import MediaError, WstalError
from wstal.features.importers.basnet import find_basnet

SETTINGS = recipe("basnet")["import"]


def test_streams_come_from_the_folders_named_for_them(tmp_path):
    content = features()
    write_basnet(tmp_path / "THUMOS14/features", content)
    found = find_basnet(tmp_path, SETTINGS)
    assert sorted(video.name for video in found.videos) == sorted(VIDEOS)
    for video in found.videos:
        assert [path.parent.name for path in video.files] == ["rgb", "flow"]
        streams = video.read().streams
        np.testing.assert_array_equal(streams["flow"], content[video.name]["flow"])


def test_a_video_that_lacks_a_stream_is_named(tmp_path):
    write_basnet(tmp_path, features())
    (tmp_path / "test/flow" / f"{VIDEOS[2]}.npy").unlink()
    found = find_basnet(tmp_path, SETTINGS)
    assert len(found.videos) == 3 and found.facts["lacking_a_stream"] == [VIDEOS[2]]


def test_pickles_are_refused_and_damage_is_a_status(tmp_path):
    write_basnet(tmp_path, features())
    path = tmp_path / "train/rgb" / f"{VIDEOS[0]}.npy"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(MediaError, match="damaged"):
        next(v for v in find_basnet(tmp_path, SETTINGS).videos if v.name == VIDEOS[0]).read()
    write_object_array(path, [np.zeros((2, 6))])
    with pytest.raises(WstalError, match="refused.*pickled"):
        next(v for v in find_basnet(tmp_path, SETTINGS).videos if v.name == VIDEOS[0]).read()
    assert annotations().database
