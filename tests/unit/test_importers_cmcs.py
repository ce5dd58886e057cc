"""CMCS's .npz files with crops."""

import numpy as np
import pytest
from published_features import VIDEOS, features, recipe, write_cmcs
from wstal.errors import MediaError, WstalError
from wstal.features.importers.cmcs import find_cmcs

VIDEO = VIDEOS[0]


def read(folder, **changes):
    found = find_cmcs(folder, recipe("cmcs", **changes)["import"])
    return next(video for video in found.videos if video.name == VIDEO).read()


def test_the_centre_is_the_first_crop_and_the_mean_is_over_all(tmp_path):
    content = features()
    write_cmcs(tmp_path, content, crops=3, frames=330)
    centre = read(tmp_path)
    np.testing.assert_array_equal(centre.streams["flow"], content[VIDEO]["flow"])
    assert centre.frames == 330
    mean = read(tmp_path, crop="mean").streams["flow"]
    np.testing.assert_allclose(mean, content[VIDEO]["flow"] * 5 / 3, rtol=1e-6)


def test_untrimmednets_axes_are_put_in_order(tmp_path):
    content = features()
    write_cmcs(tmp_path, content)
    for name in ("rgb", "flow"):
        array = content[VIDEO][name]
        stack = np.stack([array, 2 * array], 1)[..., None, None]  # [T, crops, D, 1, 1]
        np.savez(tmp_path / f"{VIDEO}-{name}.npz", feature=stack)
    np.testing.assert_array_equal(read(tmp_path).streams["rgb"], content[VIDEO]["rgb"])


def test_pickles_damage_and_other_shapes(tmp_path):
    write_cmcs(tmp_path, features())
    path = tmp_path / f"{VIDEO}-rgb.npz"
    np.savez(path, feature=np.zeros(5))
    with pytest.raises(WstalError, match="crops, T, D"):
        read(tmp_path)
    np.savez(path, feature=np.array([{}], dtype=object))
    with pytest.raises(WstalError, match="refused"):
        read(tmp_path)
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(MediaError, match="damaged"):
        read(tmp_path)
