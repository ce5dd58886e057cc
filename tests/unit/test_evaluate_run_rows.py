"""From a seed's files to rows."""

import gzip
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from evaluation_cases import DATABASE, PERFECT, PROTOCOL, detections, truth
from wstal.errors import WstalError
from wstal.evaluate.detections import results_of, write_detections
from wstal.evaluate.run_rows import run_rows


def files(folder):
    """proposals.json, its history and scores.h5 of a perfect run."""
    frame = detections(PERFECT)
    write_detections(folder / "p.json", frame)
    history = {"iterations": {"10": results_of(frame), "20": {}}}
    (folder / "h.json.gz").write_bytes(gzip.compress(json.dumps(history).encode()))
    with h5py.File(folder / "s.h5", "w") as file:
        file.attrs["classes_json"] = json.dumps(["jump", "dive"])  # another order
        for video, score in {"v1": [0.9, 0.2], "v2": [0.1, 0.8]}.items():
            group = file.create_group(video)
            group.attrs["id"] = video
            group["video_score"] = np.array(score)
    return folder / "p.json", folder / "h.json.gz", folder / "s.h5"


def test_everything_at_once(tmp_path):
    proposals, history, scores = files(tmp_path)
    rows = run_rows(
        truth(tmp_path),
        PROTOCOL,
        usable={"v1", "v2"},
        predictions={"last": proposals, "constant_attention": proposals},
        history=history,
        scores=scores,
    )
    found = {(r["checkpoint"], r["metric"]): r["value"] for r in rows if r["class"] == "all"}
    assert found["last", "mAP@0.70"] == found["constant_attention", "mAP@0.70"] == 100
    assert found["best_test", "iteration"] == 10 and found["last", "video_mAP"] == 100


def test_without_segments_only_the_video_level_is_left(tmp_path):
    proposals, history, scores = files(tmp_path)
    bare = {video: {**entry, "annotations": []} for video, entry in DATABASE.items()}
    own = truth(tmp_path, database=bare)
    rows = run_rows(own, PROTOCOL, predictions={"last": proposals}, history=history, scores=scores)
    assert {row["metric"] for row in rows} == {"video_mAP"}
    with pytest.raises(WstalError, match="nothing can be scored"):
        run_rows(own, PROTOCOL, predictions={"last": proposals})


def test_unknown_labels_in_the_history_are_an_error_too(tmp_path):
    history = tmp_path / "h.json"
    found = detections([("v1", 0.0, 1.0, "hop", 1.0)])
    history.write_text(json.dumps({"iterations": {"10": results_of(found)}}))
    with pytest.raises(WstalError, match=r"h\.json: 1 detections.*'hop'"):
        run_rows(truth(tmp_path), PROTOCOL, predictions={}, history=history)


def test_nothing_given(tmp_path):
    with pytest.raises(WstalError, match="give detections"):
        run_rows(truth(tmp_path), PROTOCOL, predictions={})


def test_events_need_scores(tmp_path):
    with pytest.raises(WstalError, match="--scores"):
        run_rows(truth(tmp_path), replace(PROTOCOL, task="events"), predictions={})
