"""Video-level mAP against the official output and by hand."""

import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.evaluate.video_map import video_map


def test_official_classification_map(reference):
    data = np.load(reference / "fixtures/co2net/map.npz", allow_pickle=False)
    ours = video_map(data["cls_conf"], data["cls_labels"])
    assert 100 * ours["map"] == pytest.approx(float(data["cls_mAP"]), abs=1e-5)


def test_by_hand_and_a_class_without_videos():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    result = video_map(scores, labels)
    np.testing.assert_allclose(result["ap"], [(1 + 2 / 3) / 2, np.nan])
    assert result["map"] == pytest.approx((1 + 2 / 3) / 2)


def test_errors():
    with pytest.raises(WstalError, match="must agree"):
        video_map(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(WstalError, match="video 1, class 0 is nan"):
        video_map(np.array([[1.0], [np.nan]]), np.ones((2, 1)))
