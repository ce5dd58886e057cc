"""Matching against a brute force written here: one prediction after the other."""

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import TIOUS, detections, frame, random_case
from wstal.errors import WstalError
from wstal.evaluate import matching
from wstal.evaluate.matching import match


def brute_force(truth, predictions, tiou):
    """The ground-truth row each prediction row takes, by the rule's own words."""
    rows = [
        (r["score"], i, r)
        for i, r in enumerate(predictions.to_dict("records"))
        if r["label"] in set(truth["label"])
    ]
    rows.sort(key=lambda item: (-item[0], -item[1]))
    instances = list(enumerate(truth.to_dict("records")))
    taken, result = set(), {}
    for _, i, r in rows:
        best, best_overlap = -1, -1.0
        for j, g in instances:
            if j in taken or (g["video_id"], g["label"]) != (r["video_id"], r["label"]):
                continue
            shared = max(0.0, min(r["t_end"], g["t_end"]) - max(r["t_start"], g["t_start"]))
            union = (r["t_end"] - r["t_start"]) + (g["t_end"] - g["t_start"]) - shared
            overlap = shared / union if union > 0 else 0.0
            if overlap >= tiou and overlap >= best_overlap:  # >=: the later of equals
                best, best_overlap = j, overlap
        result[i] = best
        taken |= {best} - {-1}
    return result


@pytest.mark.parametrize("pairs", [3, 1 << 19])
def test_agrees_with_brute_force_on_200_cases_whatever_the_piece_size(monkeypatch, pairs):
    monkeypatch.setattr(matching, "PAIRS", pairs)
    hits = 0
    for seed in range(200):
        truth, predictions = random_case(seed, grid=1.0 if seed % 2 else None)
        matches = match(truth, predictions, TIOUS)
        for level, tiou in enumerate(TIOUS):
            expected = brute_force(truth, predictions, tiou)
            found = dict(zip(matches.order.tolist(), matches.matched[level].tolist(), strict=True))
            assert found == expected, (seed, tiou)
            hits += sum(value >= 0 for value in expected.values())
    assert hits > 500  # the cases have something to disagree about


def test_of_equal_scores_the_later_row_ranks_first():
    truth = frame([("v", 0, 10, "c")])
    matches = match(truth, detections([("v", 0, 10, "c", 1), ("v", 0, 9, "c", 1)]), [0.5])
    assert matches.order.tolist() == [1, 0]
    assert matches.matched[0].tolist() == [0, -1]


def test_a_displaced_prediction_takes_its_next_best_instance():
    truth = frame([("v", 0, 10, "c"), ("v", 2, 14, "c")])
    predictions = detections([("v", 0, 11, "c", 0.9), ("v", 0, 10, "c", 0.8)])
    assert match(truth, predictions, [0.5]).matched[0].tolist() == [0, 1]


def test_counts_instances_by_video_and_class_and_slices_by_class():
    truth, predictions = random_case(5)
    matches = match(truth, predictions, [0.5], classes=["c2", "c0"])
    table = pd.crosstab(truth["video_id"], truth["label"])
    for v, video in enumerate(matches.videos):
        for c, name in enumerate(matches.classes):
            expected = table.loc[video, name] if video in table.index and name in table else 0
            assert matches.instances[v, c] == expected
    for c, name in enumerate(matches.classes):
        rows = matches.order[matches.class_slice(c)]
        assert sorted(rows) == np.flatnonzero(predictions["label"] == name).tolist()
        assert (np.diff(predictions["score"].to_numpy()[rows]) <= 0).all()


def test_threshold_zero_takes_instances_that_do_not_touch():
    matches = match(frame([("v", 0, 1, "c")]), detections([("v", 5, 6, "c", 1)]), [0.0, 0.1])
    assert matches.matched[:, 0].tolist() == [0, -1]


@pytest.mark.parametrize(
    "row, words",
    [
        (("v", 0, 1, "c", np.nan), "not finite"),
        (("v", np.inf, 1, "c", 1), "not finite"),
        (("v", 2, 1, "c", 1), "ends before it starts"),
    ],
)
def test_refuses_numbers_that_mean_nothing(row, words):
    with pytest.raises(WstalError, match=words):
        match(frame([("v", 0, 1, "c")]), detections([row]), [0.5])


def test_names_absent_columns():
    with pytest.raises(WstalError, match=r"predictions.*score"):
        match(frame([("v", 0, 1, "c")]), frame([("v", 0, 1, "c")]), [0.5])
