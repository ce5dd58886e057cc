"""Detection files: round trip, and errors that say what to do."""

import gzip
import json

import pytest
from evaluation_cases import PERFECT, detections
from wstal.errors import WstalError
from wstal.evaluate.detections import (
    check_detections,
    read_detections,
    read_detections_by_iteration,
    results_of,
    write_detections,
)


def test_round_trip_keeps_rows_order_and_digits(tmp_path):
    frame = detections([*PERFECT, ("v1", 0.1 + 0.2, 1 / 3 + 1, "dive", -2.5)])
    write_detections(tmp_path / "p.json", frame.iloc[[3, 0, 1, 2]], {"method": "hand"})
    content = json.loads((tmp_path / "p.json").read_text())
    assert content["external_data"] == {"method": "hand"} and set(content["results"]) == {
        "v1",
        "v2",
    }
    back = read_detections(tmp_path / "p.json")
    assert back.equals(frame.iloc[[3, 0, 1, 2]].reset_index(drop=True))


def test_by_iteration_in_order_gzipped_or_not(tmp_path):
    results = results_of(detections(PERFECT))
    text = json.dumps({"iterations": {"1000": results, "200": {"v1": []}}})
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.json", "a.json.gz"):
        frames = read_detections_by_iteration(tmp_path / name)
        assert list(frames) == [200, 1000]
        assert len(frames[200]) == 0 and len(frames[1000]) == 3


@pytest.mark.parametrize(
    "entry, words",
    [
        ({"segment": [-1, 2], "score": 1, "label": "a"}, "begins before the video.*clip"),
        ({"segment": [3, 2], "score": 1, "label": "a"}, "ends before it starts"),
        ({"segment": [1, float("nan")], "score": 1, "label": "a"}, "not finite"),
        ({"segment": [1, 2], "score": float("nan"), "label": "a"}, "score nan"),
        ({"segment": [1, 2], "score": None, "label": "a"}, "needed are segment"),
        ({"segment": [1], "score": 1, "label": "a"}, "needed are segment"),
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


def test_labels_that_are_numbers_are_said_to_be_numbers():
    frame = detections([("v1", 1, 2, 0, 1.0), ("v1", 1, 2, 1, 1.0)])
    with pytest.raises(WstalError, match=r"f: 2 detections have labels that are no names.*Write"):
        check_detections(frame, ["v1"], ["dive", "jump"], "f")
    with pytest.raises(WstalError, match="2 detections have labels"):
        check_detections(frame, ["v1"], ["0", "1"], "f")  # no match, so none may pass
    check_detections(frame, ["v1"], [0, 1], "f")


def test_unknown_videos_and_labels_are_counted_and_named():
    frame = detections([*PERFECT, ("v1", 1, 2, "Dive", 1.0), ("v_1", 1, 2, "dive", 1.0)])
    with pytest.raises(WstalError, match=r"f: 1 detections are of 1 videos.*'v_1'.*'v1'.*Rename"):
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
