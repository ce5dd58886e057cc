"""Scores by the names of classes: cosines, background, attention, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from small_set import write_small_set
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.features.pack import FeatureFile
from wstal.methods.contract import localization_half
from wstal.networks.text import ClassVectors
from wstal.train.zero_shot import activation, zero_shot_scores

VECTORS = np.eye(4, dtype=np.float32)
TEXT = ClassVectors(["x", "y", "z"], VECTORS[:3], VECTORS[3], 100.0)


def test_logits_are_scaled_cosines_above_that_of_the_background():
    rows = np.array([[3, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 2], [0, 0, 0, 0]], np.float32)
    cas, attention = activation(rows, replace(TEXT, scale=10.0))
    half = 10 / np.sqrt(2)
    expected = [[10, 0, 0, 0], [-half, 0, -half, 0], [-10, -10, -10, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(cas, expected, rtol=1e-6)
    likely = np.exp(expected)
    np.testing.assert_allclose(attention, 1 - likely[:, 3] / likely.sum(1), rtol=1e-4, atol=1e-7)
    assert cas.dtype == attention.dtype == np.float32
    assert attention[0] > 0.99 > attention[3] == pytest.approx(0.75) and attention[2] < 0.01


def placed(folder, weights="w"):
    """Features whose rows within a segment are those of its class."""
    path, annotations = write_small_set(folder, train=2, test=3, val=1, dim=4)
    with h5py.File(path, "a") as file:
        file.attrs["provenance_json"] = json.dumps({"rgb": {"weights": weights}})
        for video, about in annotations.database.items():
            found = about["annotations"][0]
            rows = np.tile(VECTORS[3], (len(file[video]["rgb"]), 1))
            first, last = (round(second / 0.64) for second in found["segment"])
            rows[first:last] = VECTORS[int(found["label"][-1])]
            file[video]["rgb"][...] = rows
    return path, annotations


def about(**changes):
    return replace(TEXT, about={"stream": "rgb", "weights": "w"} | changes)


def test_segments_of_rows_near_a_name_are_localized(tmp_path):
    path, annotations = placed(tmp_path)
    with FeatureFile(path) as features:
        scores = zero_shot_scores(features, about(), ["val", "test"])
        assert list(scores.videos) == [*features.ids("val"), *features.ids("test")]
    assert scores.activation == "logits" and scores.step == 0.64
    assert scores.provenance["zero_shot"]["weights"] == "w"
    method = localization_half("co2net")
    found = method.localize(scores, from_plain(method.settings, {}))
    for video, scored in scores.videos.items():
        truth = annotations.database[video]["annotations"][0]
        label = "xyz"[int(truth["label"][-1])]
        assert scores.classes[scored.video_score.argmax()] == label
        best = found[found["video_id"] == video].sort_values("score").iloc[-1]
        assert best["label"] == label
        np.testing.assert_allclose(best[["t_start", "t_end"]].astype(float), truth["segment"])


def test_features_of_other_weights_or_another_width_are_refused(tmp_path):
    path, _ = placed(tmp_path)
    with FeatureFile(path) as features:
        with pytest.raises(WstalError, match="made with the weights w, the class vectors with v"):
            zero_shot_scores(features, about(weights="v"), ["test"])
        narrow = replace(about(), vectors=VECTORS[:3, :2], background=VECTORS[3, :2])
        with pytest.raises(WstalError, match="rgb has the width 4, the class vectors 2"):
            zero_shot_scores(features, narrow, ["test"])
