"""Diagnosis: every kind of error, made on purpose."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import DATABASE, PROTOCOL, detections, random_case, truth
from wstal.base.errors import WstalError
from wstal.evaluate import detection_map
from wstal.evaluate.average_precision import match
from wstal.evaluate.baselines import (
    BASELINE_COLUMNS,
    PROPOSALS,
    baseline_rows,
    random_proposals,
    random_segments_true_classes,
    whole_video,
)
from wstal.evaluate.diagnosis import (
    ERRORS,
    KINDS,
    characteristics,
    diagnose,
    error_impact,
    error_kinds,
    false_positives,
    per_class,
    sensitivity,
)
from wstal.evaluate.ground_truth import Coverage
from wstal.evaluate.protocols import Prepared, prepare

# One detection of each kind, in the order of KINDS.
ONE_OF_EACH = [
    ("v1", 1.0, 3.0, "dive", 0.9),
    ("v1", 1.0, 3.1, "dive", 0.8),  # the instance is taken
    ("v1", 2.5, 6.0, "dive", 0.7),  # touches a dive
    ("v1", 8.0, 9.7, "dive", 0.6),  # a jump
    ("v1", 9.0, 10.5, "dive", 0.5),  # touches a jump
    ("v1", 15.0, 19.0, "dive", 0.4),  # nothing
]


def test_one_error_of_each_kind(tmp_path):
    prepared = prepare(truth(tmp_path), detections(ONE_OF_EACH), PROTOCOL)
    matches = match(prepared.ground_truth, prepared.predictions, [0.5], prepared.classes)
    assert error_kinds(prepared, matches, 0).tolist() == list(range(len(KINDS)))


def test_profile_counts_the_best_of_each_class(tmp_path):
    prepared = prepare(truth(tmp_path), detections(ONE_OF_EACH), PROTOCOL)
    table = false_positives(prepared, 0.5).set_index(["top", "kind"])
    # Two dives are annotated: the best two are a hit and a double detection.
    assert table.loc[1]["count"].to_dict() == dict.fromkeys(KINDS, 0) | {
        "true_positive": 1,
        "double_detection": 1,
    }
    assert (table.loc[10]["count"] == 1).all()
    assert table["share"].groupby("top").sum().tolist() == pytest.approx([100] * 10)


def test_removing_an_error_gives_the_score_without_it(tmp_path):
    rows = [("v2", 6.0, 9.0, "dive", 1.0), ("v1", 8.0, 9.7, "jump", 0.5), *ONE_OF_EACH]
    prepared = prepare(truth(tmp_path), detections(rows), PROTOCOL)
    table = error_impact(prepared, (0.5,)).set_index("kind")["map_gain"]
    base = detection_map(prepared.ground_truth, prepared.predictions, [0.5])["map"][0]
    without = prepared.predictions[prepared.predictions["score"] < 1.0]
    without = without[without["score"] > 0.4]
    clean = detection_map(prepared.ground_truth, without, [0.5])["map"][0]
    assert table["none"] == pytest.approx(100 * base)
    assert table["background"] == pytest.approx(100 * (clean - base)) and clean > base
    assert (table[list(ERRORS)] >= 0).all()


def random_prepared(seed):
    """A random case as it would be prepared."""
    given, predictions = random_case(seed, grid=None)
    classes = sorted(given["label"].unique())
    videos = sorted({*given["video_id"], *predictions["video_id"]})
    return Prepared(given, predictions, classes, videos, Coverage(1, 1, 1, 1))


def test_bins_hold_every_instance_once_and_misses_add_up():
    prepared = random_prepared(8)
    durations = dict.fromkeys(prepared.videos, 30.0)
    table = sensitivity(prepared, (0.3, 0.5), durations)
    total = table[table["characteristic"] == "all"].iloc[0]
    for _, part in table[table["characteristic"] != "all"].groupby("characteristic"):
        assert part["instances"].sum() == total["instances"] == len(prepared.ground_truth)
        missed = (part["missed"] * part["instances"]).sum() / part["instances"].sum()
        assert missed == pytest.approx(total["missed"])
    assert set(table["characteristic"]) == {"all", "length", "coverage", "instances"}


def test_a_bin_is_scored_without_the_others():
    truth_frame, found = random_prepared(8).ground_truth.iloc[:0], []
    rows = [("v", 0, 1, "a"), ("v", 10, 11, "a"), ("v", 20, 26, "a")]
    truth_frame = detections([(*row, 0.0) for row in rows]).drop(columns="score")
    found = detections([("v", 20, 26, "a", 0.9), ("v", 40, 41, "a", 0.8), ("v", 0, 1, "a", 0.7)])
    prepared = Prepared(truth_frame, found, ["a"], ["v"], Coverage(1, 1, 3, 3))
    table = sensitivity(prepared, (0.5,), {})
    short = table[(table["characteristic"] == "length") & (table["bin"] == "XS")].iloc[0]
    # Two short instances, one found behind one miss; the hit of the long one counts for nothing.
    # Normalised to N = 3: precision 1.5 / (1.5 + 1).
    assert short["instances"] == 2 and short["missed"] == 50
    assert short["map"] == pytest.approx(100 * 0.5 * 1.5 / 2.5)


def test_characteristics_without_durations(tmp_path):
    prepared = prepare(truth(tmp_path), detections(ONE_OF_EACH), PROTOCOL)
    assert list(characteristics(prepared, {})) == ["length", "instances"]
    found = characteristics(prepared, {"v1": 20.0, "v2": 10.0})
    np.testing.assert_allclose(found["coverage"], [10, 8.5, 40])


def test_per_class_is_the_ap(tmp_path):
    prepared = prepare(truth(tmp_path), detections(ONE_OF_EACH), PROTOCOL)
    table = per_class(prepared, (0.5,)).set_index("class")
    assert table["ap"].to_dict() == {"dive": 50, "jump": 0}
    assert table["predictions"].to_dict() == {"dive": 6, "jump": 0}


def test_all_tables_at_once_or_an_error(tmp_path):
    prepared = prepare(truth(tmp_path), detections(ONE_OF_EACH), PROTOCOL)
    tables = diagnose(prepared, PROTOCOL, {"v1": 20.0})
    assert set(tables) == {"false_positives", "error_impact", "sensitivity", "per_class"}
    bare = {video: {**entry, "annotations": []} for video, entry in DATABASE.items()}
    prepared = prepare(truth(tmp_path, database=bare), detections([]), PROTOCOL)
    with pytest.raises(WstalError, match="nothing to diagnose"):
        diagnose(prepared, PROTOCOL, {})


# Baselines: seeded, within their videos, and no better than they can be.

DURATIONS = {"a": 100.0, "b": 0.5}
LABELS = {"a": ["x", "y"], "b": ["y"]}


def test_random_segments_lie_in_their_videos_and_repeat_with_their_seed():
    found = random_segments_true_classes(DURATIONS, LABELS, 3)
    assert len(found) == 3 * PROPOSALS
    end = found["video_id"].map(DURATIONS)
    assert (found["t_start"] >= 0).all() and (found["t_end"] <= end + 1e-9).all()
    lengths = (found["t_end"] - found["t_start"])[found["video_id"] == "a"]
    assert lengths.min() >= 1 and np.median(lengths) == pytest.approx(10, rel=0.6)  # log-uniform
    assert set(found[found["video_id"] == "b"]["label"]) == {"y"}
    assert found.equals(random_segments_true_classes(DURATIONS, LABELS, 3))
    assert not found.equals(random_segments_true_classes(DURATIONS, LABELS, 4))


def test_random_proposals_take_any_class():
    found = random_proposals(DURATIONS, ["x", "y", "z"], 0)
    assert len(found) == 2 * PROPOSALS and set(found["label"]) == {"x", "y", "z"}
    assert found.equals(random_proposals(DURATIONS, ["x", "y", "z"], 0))


def test_whole_video():
    rows = whole_video(DURATIONS, LABELS).to_numpy().tolist()
    assert rows == [["a", 0, 100, "x", 1], ["a", 0, 100, "y", 1], ["b", 0, 0.5, "y", 1]]


def test_rows_per_seed_and_durations_from_elsewhere(tmp_path):
    blank = {video: {**entry, "duration": None} for video, entry in DATABASE.items()}
    own = truth(tmp_path, database=blank)
    table = baseline_rows(own, PROTOCOL, None, {"v1": 20.0, "v2": 10.0}, seeds=(0, 1))
    assert list(table.columns) == BASELINE_COLUMNS
    counts = table[table["metric"] == "mAP@0.30"].groupby("baseline").size().to_dict()
    seeded = {"random_proposals": 2, "random_segments_true_classes": 2}
    assert counts == {"whole_video": 1, **seeded}
    whole = table[table["baseline"] == "whole_video"].set_index("metric")["value"]
    assert whole["mAP@0.30"] == 25 and whole["mAP@0.50"] == 0  # the dive of v2 covers 0.4 of it
    with pytest.raises(WstalError, match=r"duration of 1 videos.*v2"):
        baseline_rows(own, PROTOCOL, None, {"v1": 20.0})
    assert len(baseline_rows(own, PROTOCOL, {"v1"}, {"v1": 20.0}, seeds=(0,)))


def test_without_segments_there_are_no_baselines(tmp_path):
    bare = {video: {**entry, "annotations": []} for video, entry in DATABASE.items()}
    assert not len(baseline_rows(truth(tmp_path, database=bare), PROTOCOL, None, {}))


def test_events_have_the_majority_and_perfect_classification(tmp_path):
    """v1 has dive in seconds 1-2 and jump in 8-9, v2 dive in 0-3: 12 of 20 are background."""
    own = truth(tmp_path)
    protocol = replace(PROTOCOL, task="events")
    table = baseline_rows(own, protocol, None, {}).set_index("baseline")
    assert table["value"].to_dict() == {"majority_class": 60, "true_class_throughout": 30}
    assert set(table["metric"]) == {"accuracy"} and set(table["seed"]) == {0}
    one = baseline_rows(own, protocol, {"v2"}, {}).set_index("baseline")
    assert one["value"].to_dict() == {"majority_class": 60, "true_class_throughout": 40}
    assert set(one["coverage"]) == {"1/2 videos; 1/3 instances"}
    missed = replace(protocol, coverage_rule="missing_is_miss")
    one = baseline_rows(own, missed, {"v2"}, {}).set_index("baseline")
    assert one["value"].to_dict() == {"majority_class": 30, "true_class_throughout": 20}
