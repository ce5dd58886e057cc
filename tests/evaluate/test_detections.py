"""Detection files and their errors; W-TALC's evaluator against its own output."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from evaluation_cases import PERFECT, detections, frame, results_of, write_detections
from wstal.base.errors import WstalError
from wstal.evaluate.detections import (
    check_detections,
    read_detections,
    read_detections_by_iteration,
)
from wstal.evaluate.ground_truth import read_ground_truth
from wstal.evaluate.wtalc import class_segments, wtalc_map


def test_rows_order_and_digits_are_read_as_written(tmp_path):
    frame = detections([*PERFECT, ("v1", 0.1 + 0.2, 1 / 3 + 1, "dive", -2.5)])
    back = read_detections(write_detections(tmp_path / "p.json", frame))
    in_file_order = frame.iloc[[0, 1, 3, 2]].reset_index(drop=True)  # videos keep together
    assert back.equals(in_file_order)


def test_by_iteration_in_order_gzipped_or_not(tmp_path):
    results = results_of(detections(PERFECT))
    text = json.dumps({"iterations": {"1000": results, "200": {"v1": []}}})
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.json", "a.json.gz"):
        frames = read_detections_by_iteration(tmp_path / name)
        assert list(frames) == [200, 1000]
        assert len(frames[200]) == 0 and len(frames[1000]) == 3


HEADER = "video,t_start,t_end,label,score"


def test_csv_is_read_as_json_is(tmp_path):
    lines = [HEADER, "v1,1,3,dive,0.9", "v1.mp4,8,9.7,jump,0.8", "v9,,,,", "v2,0,4,dive,0.7"]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    json_frame = read_detections(write_detections(tmp_path / "p.json", detections(PERFECT)))
    assert read_detections(tmp_path / "d.csv").equals(json_frame)
    instances = ["video,t_start,t_end,label", "v1,1,3,dive", "v1,8,9.7,jump", "v4.mp4,,,"]
    (tmp_path / "gt.csv").write_text("\n".join(instances))
    truth = read_ground_truth(tmp_path / "gt.csv")
    assert truth.subset == {"v1": "test", "v4": "test"} and truth.classes == ["dive", "jump"]
    assert truth.frame["t_end"].tolist() == [3.0, 9.7]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("v1,a,2,dive,1", r"line 2: could not convert string to float: 'a'; expected t_start"),
        ("v1,1,2,dive,", r"line 2: .*expected t_start, t_end and score"),
        ("v1,3,2,dive,1", r"line 2: segment 3\.0 to 2\.0 s ends before it starts; clip"),
        ("v1,1,2,dive,nan", r"line 2: score nan is not finite"),
    ],
)
def test_bad_rows_of_csv_are_named_by_file_and_line(tmp_path, row, words):
    (tmp_path / "d.csv").write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(WstalError, match=rf"d\.csv, {words}"):
        read_detections(tmp_path / "d.csv")


def test_bad_times_of_a_ground_truth_in_csv(tmp_path):
    (tmp_path / "gt.csv").write_text("video,t_start,t_end,label\nv1,1,two,dive\n")
    with pytest.raises(WstalError, match=r"gt\.csv, line 2: .*'two'; expected seconds"):
        read_ground_truth(tmp_path / "gt.csv")


@pytest.mark.parametrize(
    "entry, words",
    [
        ({"segment": [-1, 2], "score": 1, "label": "a"}, "begins before the video.*clip"),
        ({"segment": [3, 2], "score": 1, "label": "a"}, "ends before it starts"),
        ({"segment": [1, float("nan")], "score": 1, "label": "a"}, "not finite"),
        ({"segment": [1, 2], "score": float("nan"), "label": "a"}, "score nan"),
        ({"segment": [1, 2], "score": None, "label": "a"}, "expected segment"),
        ({"segment": [1], "score": 1, "label": "a"}, "expected segment"),
        ({"segment": "12", "score": 1, "label": "a"}, "not two times.*expected segment"),
        ({"segment": [1, 2], "label": "a"}, "'score'"),
    ],
)
def test_bad_entries_are_named_by_file_video_and_number(tmp_path, entry, words):
    good = {"segment": [1, 2], "score": 1, "label": "a"}
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"results": {"v7": [good, entry]}}))
    with pytest.raises(WstalError, match=rf"p\.json: video v7, detection 1: .*{words}"):
        read_detections(path)


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"results": {', "is the file complete"),
        ("[]", "ActivityNet's format"),
        ('{"results": {"v": {"segment": [1, 2]}}}', "expected a list"),
    ],
)
def test_files_that_are_something_else(tmp_path, text, words):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(WstalError, match=words):
        read_detections(tmp_path / "p.json")


def test_absent_file_and_wrong_iterations(tmp_path):
    with pytest.raises(WstalError, match="cannot be read"):
        read_detections(tmp_path / "absent.json")
    (tmp_path / "p.json").write_text('{"results": {}}')
    with pytest.raises(WstalError, match="iterations"):
        read_detections_by_iteration(tmp_path / "p.json")


def test_numbers_in_place_of_labels_are_reported():
    frame = detections([("v1", 1, 2, 0, 1.0), ("v1", 1, 2, 1, 1.0)])
    with pytest.raises(WstalError, match=r"f: 2 detections have labels that are not names.*Write"):
        check_detections(frame, ["v1"], ["dive", "jump"], "f")
    with pytest.raises(WstalError, match="2 detections have labels"):
        check_detections(frame, ["v1"], ["0", "1"], "f")  # no match, so none may pass
    check_detections(frame, ["v1"], [0, 1], "f")


def test_unknown_videos_and_labels_are_counted_and_named():
    frame = detections([*PERFECT, ("v1", 1, 2, "Dive", 1.0), ("v_1", 1, 2, "dive", 1.0)])
    with pytest.raises(WstalError, match=r"f: 1 detections have 1 videos.*'v_1'.*'v1'.*Rename"):
        check_detections(frame, ["v1", "v2"], ["dive", "jump"], "f")
    with pytest.raises(WstalError, match=r"1 labels.*'Dive'.*'dive'"):
        check_detections(frame.iloc[:4], ["v1", "v2"], ["dive", "jump"], "f")
    check_detections(frame.iloc[:3], ["v1", "v2"], ["dive", "jump"], "f")


def test_a_damaged_gzip_file_is_named(tmp_path):
    text = json.dumps(
        {"iterations": {"200": {"v": [{"segment": [0, 1], "score": 1, "label": "a"}] * 50}}}
    ).encode()
    whole = gzip.compress(text)
    for place in range(10, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "a.json.gz").write_bytes(damaged)
        with pytest.raises(WstalError, match=r"a\.json\.gz"):
            read_detections_by_iteration(tmp_path / "a.json.gz")


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
