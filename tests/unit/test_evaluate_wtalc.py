"""W-TALC's evaluator against its own output on real annotations."""

import numpy as np
import pytest
from evaluation_cases import frame
from wstal.evaluate.wtalc import class_segments, wtalc_map

FOLDER = "data/annotations/thumos14/Thumos14reduced-Annotations"


def text(values):
    """Strings of an array that may hold bytes."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


@pytest.fixture(scope="module")
def thumos(reference):
    """Ground truth, ambiguous segments, classes, and the fixture's activation sequences."""
    arrays = {
        name: np.load(reference / FOLDER / f"{name}.npy", allow_pickle=True)
        for name in ("videoname", "subset", "classlist", "segments", "labels", "duration")
    }
    names, classes = text(arrays["videoname"]), text(arrays["classlist"])
    rows, activations = [], {}
    for i in (i for i, subset in enumerate(text(arrays["subset"])) if subset == "test"):
        count = max(int(float(arrays["duration"].ravel()[i]) * 25 / 16), 8)
        t, c = np.arange(count)[:, None], np.arange(len(classes))
        x = 0.4 * np.sin(0.9 * t + 1.7 * c + len(activations)) - 0.5
        labels = text(arrays["labels"][i])
        for (start, end), label in zip(arrays["segments"][i], labels, strict=True):
            rows.append((names[i], float(start), float(end), label))
            span = slice(round(start * 25 / 16), round(end * 25 / 16))
            x[span, classes.index(label)] += 2 * (0.6 + 0.4 * np.sin(0.5 * t[span, 0]))
        activations[names[i]] = x
    lines = (reference / FOLDER / "Ambiguous_test.txt").read_text().splitlines()
    ambiguous = frame([(*line.split()[:1], *map(float, line.split()[1:]), "") for line in lines])
    return frame(rows), ambiguous, classes, activations


def test_official_output(reference, thumos):
    data = np.load(reference / "fixtures/co2net/map.npz", allow_pickle=False)
    truth, ambiguous, classes, activations = thumos
    ours = wtalc_map(truth, activations, data["wtalc_ious"], classes, ambiguous=ambiguous)
    np.testing.assert_allclose(100 * ours["map"], data["wtalc_mAP"], rtol=0, atol=1e-6)


def test_the_ambiguous_list_moves_it(reference, thumos):
    truth, ambiguous, classes, activations = thumos
    tious = [0.1]
    filtered = wtalc_map(truth, activations, tious, classes, ambiguous=ambiguous)["map"]
    assert abs(filtered - wtalc_map(truth, activations, tious, classes)["map"]) > 1e-3


def test_segments_are_runs_of_two_above_half_way():
    x = np.array([[0, 4, 4, 0, 4, 0, 3, 3, 3, 1, 0, 0, 0, 0, 0, 0]], dtype=float).T
    # Half way is 2; the lone 4 is too short; the video's score is the mean of the top two.
    assert class_segments(x, 0) == [(1, 3, 4 + 0.7 * 4), (6, 9, 3 + 0.7 * 4)]
    assert class_segments(-x, 0) == []


def test_the_first_instance_that_overlaps_enough_is_taken_not_the_best():
    x = np.zeros((40, 1))
    x[8:16] = 1  # one segment, 8 to 16
    rows = [("v", 0.64 * 4, 0.64 * 16, "a"), ("v", 0.64 * 8, 0.64 * 16, "a")]
    second = np.zeros((40, 1))
    found = wtalc_map(frame(rows), {"v": x, "w": second}, [0.5], ["a"])
    np.testing.assert_allclose(found["ap"], [[0.5]])
