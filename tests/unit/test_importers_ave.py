"""AVE's published arrays."""

import h5py
import numpy as np
import pytest
from published_features import annotations, recipe, write_ave_arrays
from published_sets import AVE_ROWS, write_ave
from wstal.data.ave import read_ave
from wstal.errors import WstalError
from wstal.features.importers.layouts import find_features

SETTINGS = recipe("ave", order=["rgb", "audio"], dims={"rgb": 6, "audio": 5})["import"]


@pytest.fixture
def database(tmp_path):
    return read_ave(write_ave(tmp_path / "labels"), {}, {})[0]


def test_rows_follow_annotations_txt_also_for_repeated_videos(tmp_path, database):
    arrays = write_ave_arrays(tmp_path / "features", len(AVE_ROWS))
    found = find_features(tmp_path / "features", SETTINGS, database)
    videos = {video.name: video for video in found.videos}
    assert videos.keys() == set(database.database)
    for name, row in (("bbbbbbbbbbb", 1), ("aaaaaaaaaaa.2", 3), ("eeeeeeeeeee", 5)):
        streams = videos[name].read().streams
        np.testing.assert_allclose(streams["rgb"], arrays["visual"][row].mean((1, 2)), rtol=1e-6)
        np.testing.assert_array_equal(streams["audio"], arrays["audio"][row])


def test_arrays_of_fewer_rows_and_other_annotations_are_refused(tmp_path, database):
    write_ave_arrays(tmp_path / "features", 3)
    with pytest.raises(WstalError, match="same release"):
        find_features(tmp_path / "features", SETTINGS, database)
    with pytest.raises(WstalError, match="Annotations.txt"):
        find_features(tmp_path / "features", SETTINGS, annotations())


def test_background_clips_stand_in_arrays_of_their_own(tmp_path):
    files = write_ave(tmp_path / "labels")
    with h5py.File(tmp_path / "labels/labels_noisy.h5", "w") as file:
        file["avadataset"] = np.zeros((3, 29))
    database = read_ave([*files, tmp_path / "labels/labels_noisy.h5"], {}, {})[0]
    write_ave_arrays(tmp_path / "features", len(AVE_ROWS))
    with pytest.raises(WstalError, match="visual_feature_noisy.h5"):
        find_features(tmp_path / "features", SETTINGS, database)
    arrays = write_ave_arrays(tmp_path / "features", 3, suffix="_noisy")
    found = find_features(tmp_path / "features", SETTINGS, database)
    streams = {video.name: video for video in found.videos}["background_002"].read().streams
    np.testing.assert_allclose(streams["rgb"], arrays["visual"][2].mean((1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(streams["audio"], arrays["audio"][2])
    assert len(found.shared) == 4 and len(found.videos) == len(database.database)
