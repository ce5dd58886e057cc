"""The probability that a detection is right, and what a threshold on it gives."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from evaluation_cases import DATABASE, PERFECT, PROTOCOL, detections, truth, write_detections
from scipy.special import expit
from wstal.base.errors import WstalError
from wstal.base.files import write_json
from wstal.base.user_files import file_sha256
from wstal.evaluate.calibration import (
    Calibration,
    calibration_set,
    describe,
    fit_calibration,
    mean_points,
    operating_points,
    read_calibration,
    right_detections,
)

FITTED = Calibration(2.0, -1.0, 0.5, "val", 3, 2)


def test_the_fit_finds_the_probability_that_drew_the_data():
    rng = np.random.default_rng(0)
    score = rng.normal(40, 12, 20000)  # far from 0 and wide: the fit must not depend on units
    right = rng.random(len(score)) < expit(0.08 * score - 3)
    found = fit_calibration(score, right, "val")
    assert found.slope == pytest.approx(0.08, rel=0.05)
    assert found.intercept == pytest.approx(-3, rel=0.05)
    assert found.probability(score).mean() == pytest.approx(right.mean(), abs=1e-3)
    assert (found.detections, found.right, found.subset) == (20000, right.sum(), "val")


@pytest.mark.parametrize(
    ("right", "least", "most"),
    [([1, 1, 1, 1], 0.8, 0.9), ([0, 0, 0, 0], 0.1, 0.2), ([1, 1, 0, 0], 0.2, 0.8)],
)
def test_few_detections_never_give_certainty(right, least, most):
    found = fit_calibration(np.array([4.0, 3.0, 2.0, 1.0]), np.array(right, dtype=bool), "val")
    probability = found.probability(np.array([4.0, 1.0]))
    assert (
        found.slope >= 0 and least - 0.01 <= probability.min() <= probability.max() <= most + 0.01
    )


def test_better_scores_are_never_less_probable_and_equal_scores_are_fitted():
    score = np.array([4.0, 3.0, 2.0, 1.0])
    assert fit_calibration(score, np.array([0, 0, 1, 1], dtype=bool), "val").slope == 0
    equal = fit_calibration(np.ones(4), np.array([1, 0, 0, 0], dtype=bool), "val")
    assert equal.probability(np.ones(1)) == pytest.approx((2 / 3 + 3 / 5) / 4, abs=1e-4)
    with pytest.raises(WstalError, match="no detection on test videos .* nothing to fit.*segments"):
        fit_calibration(score[:0], np.zeros(0, dtype=bool), "test")


def test_validation_is_preferred_to_test(tmp_path):
    known = truth(tmp_path)
    found = detections([*PERFECT, ("v3", 2.0, 4.0, "jump", 0.4), ("v3", 6.0, 8.0, "jump", 0.3)])
    subset, prepared = calibration_set(known, found, PROTOCOL, None)
    assert subset == "val" and set(prepared.predictions["video_id"]) == {"v3"}
    score, right = right_detections(prepared)
    assert score.tolist() == [0.4, 0.3] and right.tolist() == [True, False]
    assert calibration_set(known, detections(PERFECT), PROTOCOL, None)[0] == "test"
    database = {**DATABASE, "v3": DATABASE["v3"] | {"annotated": False}}
    unmarked = truth(tmp_path, database=database)
    assert calibration_set(unmarked, found, PROTOCOL, None)[0] == "test"


def test_operating_points_count_what_passes():
    probability, right = np.array([0.9, 0.6, 0.6, 0.2]), np.array([True, False, True, True])
    points = operating_points(probability, right, instances=5).set_index("threshold")
    assert points.loc[0.0].tolist() == pytest.approx([75, 60, 100 * 6 / 9, 4])
    assert points.loc[0.6].tolist() == pytest.approx([200 / 3, 40, 50, 3])
    assert points.loc[0.61].tolist() == pytest.approx([100, 20, 100 / 3, 1])
    assert np.isnan(points.loc[0.95, "precision"]) and points.loc[0.95, "recall"] == 0
    both = mean_points([points.reset_index(), points.reset_index()])
    assert both.loc[both["best"] == "yes", "threshold"].tolist() == [0.0]


def test_detections_get_probabilities_and_ranks():
    found = detections([("a", 0, 1, "x", 0.1), ("b", 0, 1, "x", 0.5), ("a", 2, 3, "y", 0.9)])
    table = describe(found, FITTED, {"a": {"x": 0.25, "y": 0.75}, "b": {"x": 1.0}})
    assert table[["video_id", "label", "rank"]].values.tolist() == [
        ["a", "y", 1],
        ["a", "x", 2],
        ["b", "x", 1],
    ]
    assert table["probability"].tolist() == pytest.approx(expit([0.8, -0.8, 0.0]))
    assert table["video_probability"].tolist() == [0.75, 0.25, 1.0]


def test_a_calibration_belongs_to_its_detections(tmp_path):
    proposals = write_detections(tmp_path / "p.json", detections(PERFECT))
    about = {"proposals": file_sha256(proposals), "protocol": "small"}
    write_json(tmp_path / "c.json", asdict(FITTED) | about)
    assert read_calibration(tmp_path / "c.json", proposals) == FITTED
    write_detections(proposals, detections(PERFECT[:1]))
    with pytest.raises(WstalError, match=r"c.json was fitted on other detections than .*p\.json"):
        read_calibration(tmp_path / "c.json", proposals)
    (tmp_path / "my clips").mkdir()
    spaced = (tmp_path / "c.json").rename(tmp_path / "my clips/calibration.json")
    command = f"wstal run '{spaced}' --forcerun calibrate"
    with pytest.raises(WstalError, match=f"make it again: {command}$"):
        read_calibration(spaced, proposals)
    write_json(tmp_path / "c.json", {"slope": 1})
    with pytest.raises(WstalError, match="is not a calibration.json of this project"):
        read_calibration(tmp_path / "c.json", proposals)
