"""A joint .npy per video."""

import numpy as np
import pytest
from published_features import DIMS, VIDEOS, features, recipe, write_acmnet
from wstal.errors import WstalError
from wstal.features.importers.acmnet import find_acmnet


def test_rgb_stands_before_flow(tmp_path):
    content = features()
    write_acmnet(tmp_path, content, prefix="v_")
    found = find_acmnet(tmp_path, recipe("acmnet")["import"])
    assert sorted(video.name for video in found.videos) == sorted(f"v_{v}" for v in VIDEOS)
    for video in found.videos:
        streams = video.read().streams
        for name in DIMS:
            np.testing.assert_array_equal(streams[name], content[video.name[2:]][name])


def test_another_order_is_the_recipes_word(tmp_path):
    content = features()
    write_acmnet(tmp_path, content)
    settings = recipe("acmnet", order=["flow", "rgb"])["import"]
    streams = find_acmnet(tmp_path, settings).videos[0].read().streams
    assert list(streams) == ["flow", "rgb"]
    first = sorted(VIDEOS)[0]
    np.testing.assert_array_equal(streams["flow"], content[first]["rgb"])


def test_another_width_is_refused_with_the_remedy(tmp_path):
    write_acmnet(tmp_path, features())
    settings = recipe("acmnet", dims={"rgb": 6, "flow": 5})["import"]
    with pytest.raises(WstalError, match=r"\[T, 11\].*import.dims"):
        find_acmnet(tmp_path, settings).videos[0].read()
