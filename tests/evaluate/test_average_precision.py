"""Matching and average precision: by hand, against a plain loop, and the official outputs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import TIOUS, detections, frame, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from wstal.base.errors import WstalError
from wstal.evaluate import average_precision as matching
from wstal.evaluate import detection_map
from wstal.evaluate.average_precision import (
    class_mean,
    interpolated_ap,
    match,
    ranked_ap,
    video_map,
)

HITS = np.array([[1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]], dtype=bool)


def test_interpolated_by_hand():
    # Precision at hits 1, 2/3, 1/2; of 4 instances 3 are found.
    np.testing.assert_allclose(interpolated_ap(HITS, 4), [(1 + 2 / 3 + 1 / 2) / 4, 0])
    assert np.isnan(interpolated_ap(HITS, 0)).all()


def test_neutral_misses_vanish_and_neutral_hits_stay():
    neutral = np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    kept = np.array([[1, 1, 0, 1]], dtype=bool)
    np.testing.assert_allclose(interpolated_ap(HITS[:1], 4, neutral), interpolated_ap(kept, 4))


def test_normalizer_rescales_hits_in_the_precision_alone():
    # N = 8 for 4 instances: hits count double; precision 2/2, 4/(4+1), 6/(6+3).
    expected = (1 + 4 / 5 + 6 / 9) / 4
    np.testing.assert_allclose(interpolated_ap(HITS[:1], 4, normalizer=8), [expected])


def test_ranked_is_the_mean_precision_at_hits():
    np.testing.assert_allclose(ranked_ap(HITS[0], 3), (1 + 2 / 3 + 3 / 6) / 3)
    # A later better precision does not lift an earlier one: 1/2 and 2/3, not 2/3 twice.
    np.testing.assert_allclose(ranked_ap(np.array([False, True, True]), 2), (1 / 2 + 2 / 3) / 2)
    assert np.isnan(ranked_ap(HITS[0], 0))


def test_class_mean_leaves_nan_out():
    values = np.array([[1, np.nan, 0], [np.nan] * 3])
    np.testing.assert_array_equal(class_mean(values), [0.5, np.nan])


@pytest.fixture(scope="module")
def official(reference):
    """map.npz: ground truth and predictions as frames, tIoUs, mAP and AP."""
    data = np.load(reference / "fixtures/co2net/map.npz", allow_pickle=False)
    ids, p, g = data["video_ids"], data["prediction"], data["gt"]
    predictions = pd.DataFrame(
        {
            "video_id": ids[p[:, 0].astype(int)],
            "t_start": p[:, 1],
            "t_end": p[:, 2],
            "label": p[:, 3].astype(int),
            "score": p[:, 4],
        }
    )
    truth = pd.DataFrame(
        {"video_id": ids[g[:, 0]], "t_start": g[:, 1], "t_end": g[:, 2], "label": g[:, 3]}
    )
    return truth, predictions, data["ious"], data["mAP"], data["ap"]


def test_official_map_and_every_class(official):
    truth, predictions, tious, mean, ap = official
    ours = detection_map(truth, predictions, tious)
    np.testing.assert_allclose(ours["map"], mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours["ap"], ap, rtol=0, atol=1e-9)


def test_order_of_rows_matters_only_for_ties(official):
    truth, predictions, tious, mean, _ = official
    shuffled = predictions.sample(frac=1, random_state=3)
    ours = detection_map(truth.sample(frac=1, random_state=4), shuffled, tious)
    np.testing.assert_allclose(ours["map"], mean, rtol=0, atol=1e-9)


def test_plain_loop_agrees_with_the_official_outputs_and_with_ours(official, project, monkeypatch):
    monkeypatch.syspath_prepend(str(project))
    from benchmarks.speed.reference.detection_map_loop import detection_map_loop

    truth, predictions, tious, _, ap = official
    loop = detection_map_loop(truth, predictions, tious[::4])
    np.testing.assert_allclose(loop["ap"], ap[::4], rtol=0, atol=1e-9)
    for seed in range(10):
        case = random_case(seed)
        np.testing.assert_allclose(
            detection_map_loop(*case, TIOUS)["ap"], detection_map(*case, TIOUS)["ap"], atol=1e-12
        )


def test_lean_loop_agrees_with_the_plain_one_and_with_ours(project, monkeypatch):
    monkeypatch.syspath_prepend(str(project))
    from benchmarks.speed.reference.detection_map_lean_loop import detection_map_lean_loop
    from benchmarks.speed.reference.detection_map_loop import detection_map_loop

    for seed in range(40):
        case = random_case(seed, grid=1.0 if seed % 2 else None)
        lean = detection_map_lean_loop(*case, TIOUS)
        np.testing.assert_allclose(lean["ap"], detection_map(*case, TIOUS)["ap"], atol=1e-12)
        np.testing.assert_allclose(lean["map"], detection_map_loop(*case, TIOUS)["map"], atol=1e-12)


def test_lean_loop_agrees_with_the_official_outputs(official, project, monkeypatch):
    monkeypatch.syspath_prepend(str(project))
    from benchmarks.speed.reference.detection_map_lean_loop import detection_map_lean_loop

    truth, predictions, tious, _, ap = official
    lean = detection_map_lean_loop(truth, predictions, tious)
    np.testing.assert_allclose(lean["ap"], ap, rtol=0, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_perfect_predictions_give_one_and_doubling_them_changes_nothing(seed):
    truth, _ = random_case(seed)
    truth = truth[truth["t_end"] > truth["t_start"]].drop_duplicates()
    if not len(truth):
        return
    perfect = truth.assign(score=np.linspace(1, 2, len(truth)))
    assert (detection_map(truth, perfect, TIOUS)["map"] == 1).all()
    below = perfect.assign(score=perfect["score"] - 2)  # each again, after all the others
    assert (detection_map(truth, pd.concat([perfect, below]), TIOUS)["map"] == 1).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5))
def test_bounded_and_blind_to_the_scale_of_scores(seed, scale, shift):
    truth, predictions = random_case(seed)
    ours = detection_map(truth, predictions, TIOUS)
    assert ((ours["ap"] >= 0) & (ours["ap"] <= 1)).all()

    assert ours["ap"].shape == (len(TIOUS), truth["label"].nunique())
    rescaled = predictions.assign(score=np.exp(predictions["score"] * scale + shift))
    np.testing.assert_array_equal(detection_map(truth, rescaled, TIOUS)["ap"], ours["ap"])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_misses_ranked_last_cost_nothing_and_first_cost_something(seed):
    truth, predictions = random_case(seed)
    elsewhere = truth.assign(video_id="elsewhere")
    base = detection_map(truth, predictions, TIOUS)["ap"]
    last = pd.concat([predictions, elsewhere.assign(score=-9.0)])
    np.testing.assert_array_equal(detection_map(truth, last, TIOUS)["ap"], base)
    first = detection_map(truth, pd.concat([predictions, elsewhere.assign(score=9.0)]), TIOUS)["ap"]
    assert (first <= base + 1e-12).all()
    assert (first[base > 0] < base[base > 0]).all()


def test_empty_predictions_single_video_and_classes():
    truth = frame([("v", 0, 1, "a"), ("v", 2, 3, "b")])
    nothing = detections([]).astype({"t_start": float, "t_end": float, "score": float})
    assert detection_map(truth, nothing, [0.5])["map"].tolist() == [0]
    one = detections([("v", 2, 3, "b", 1.0), ("v", 0, 1, "unheard of", 2.0)])
    assert detection_map(truth, one, [0.5])["ap"].tolist() == [[0, 1]]
    ordered = detection_map(truth, one, [0.5], classes=["b", "never annotated", "a"])
    np.testing.assert_array_equal(ordered["ap"], [[1, np.nan, 0]])
    assert ordered["map"].tolist() == [0.5]
    assert np.isnan(detection_map(truth[:0], one, [0.5], classes=["a"])["map"]).all()


def test_interpolation_takes_the_best_precision_from_there_on():
    truth = frame([("v", 0, 1, "a"), ("v", 5, 6, "a")])
    found = detections([("v", 9, 10, "a", 0.9), ("v", 0, 1, "a", 0.8), ("v", 5, 6, "a", 0.7)])
    # Precision at the hits: 1/2 and 2/3; from the first on the best is 2/3.
    np.testing.assert_allclose(detection_map(truth, found, [0.5])["map"], [2 / 3])


def test_evaluation_loads_neither_torch_nor_media_libraries():
    code = (
        "import sys, wstal.evaluate, wstal.evaluate.map_table, wstal.evaluate.bootstrap; "
        "bad = {'torch', 'av', 'decord', 'snakemake', 'cv2'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(WstalError, match="must agree"):
        video_map(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(WstalError, match="video 1, class 0 is nan"):
        video_map(np.array([[1.0], [np.nan]]), np.ones((2, 1)))


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
def test_numbers_that_are_not_finite_are_refused(row, words):
    with pytest.raises(WstalError, match=words):
        match(frame([("v", 0, 1, "c")]), detections([row]), [0.5])


def test_missing_columns_are_named():
    with pytest.raises(WstalError, match=r"predictions.*score"):
        match(frame([("v", 0, 1, "c")]), frame([("v", 0, 1, "c")]), [0.5])
