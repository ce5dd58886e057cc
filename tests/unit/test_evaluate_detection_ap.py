"""detection_map: the official outputs, the plain loop, and what any mAP must satisfy."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import TIOUS, detections, frame, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from wstal.evaluate import detection_map


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


def test_plain_loop_agrees_with_the_official_outputs_and_with_ours(official, project):
    sys.path.insert(0, str(project / "benchmarks"))
    from reference.detection_map_loop import detection_map_loop

    truth, predictions, tious, _, ap = official
    loop = detection_map_loop(truth, predictions, tious[::4])
    np.testing.assert_allclose(loop["ap"], ap[::4], rtol=0, atol=1e-9)
    for seed in range(10):
        case = random_case(seed)
        np.testing.assert_allclose(
            detection_map_loop(*case, TIOUS)["ap"], detection_map(*case, TIOUS)["ap"], atol=1e-12
        )


def test_lean_loop_agrees_with_the_plain_one_and_with_ours(project, monkeypatch):
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    from reference.detection_map_lean_loop import detection_map_lean_loop
    from reference.detection_map_loop import detection_map_loop

    for seed in range(40):
        case = random_case(seed, grid=1.0 if seed % 2 else None)
        lean = detection_map_lean_loop(*case, TIOUS)
        np.testing.assert_allclose(lean["ap"], detection_map(*case, TIOUS)["ap"], atol=1e-12)
        np.testing.assert_allclose(lean["map"], detection_map_loop(*case, TIOUS)["map"], atol=1e-12)


def test_lean_loop_agrees_with_the_official_outputs(official, project, monkeypatch):
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    from reference.detection_map_lean_loop import detection_map_lean_loop

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
        "import sys, wstal.evaluate, wstal.evaluate.run_rows, wstal.evaluate.bootstrap; "
        "bad = {'torch', 'av', 'decord', 'snakemake', 'cv2'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
