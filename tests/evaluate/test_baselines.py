"""Baselines: seeded, within their videos, and no better than they can be."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import DATABASE, PROTOCOL, truth
from wstal.base.errors import WstalError
from wstal.evaluate.baselines import (
    BASELINE_COLUMNS,
    PROPOSALS,
    baseline_rows,
    random_proposals,
    random_segments_true_classes,
    whole_video,
)

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
