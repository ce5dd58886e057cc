import numpy as np
import pytest
from evaluation_cases import PERFECT, PROTOCOL, detections, truth
from viewer_cases import decoded, small_scores
from wstal.viewer.packing import (
    CLASSES,
    TIOU_STEPS,
    curves,
    instance_rows,
    kept_classes,
    proposal_columns,
)
from wstal.viewer.verdicts import verdicts


def test_classes_kept_are_annotated_then_found_then_likely():
    found = detections([("v", 0, 1, "c", 0.2), ("v", 0, 1, "b", 0.9)])
    names = ["a", "b", "c", "d", "e"]
    assert kept_classes(["d", "d"], found, [0.1, 0, 0, 0, 0.8], names) == ["d", "b", "c", "e", "a"]
    many = [f"c{i}" for i in range(200)]
    assert len(kept_classes(["c199"], detections([]), np.zeros(200), many)) == CLASSES


def test_proposals_come_back_with_their_verdicts(tmp_path):
    ground = truth(tmp_path)
    found = detections([*PERFECT, ("v1", 1.0, 2.0, "dive", 0.95)])
    said = verdicts(ground, found, PROTOCOL)
    own = found[found["video_id"] == "v1"].sort_values("score", ascending=False)
    columns = proposal_columns(own, said, ground.classes)
    assert decoded(columns["score"], "f4") == pytest.approx([0.95, 0.9, 0.8])
    assert decoded(columns["end"], "f4") == pytest.approx([2.0, 3.0, 9.7])
    assert decoded(columns["label"], "u2").tolist() == [0, 0, 1]
    assert (decoded(columns["overlap"], "u2") / TIOU_STEPS).tolist() == [0.5, 1.0, 1.0]
    assert decoded(columns["held"], "u1").tolist() == [1, 1, 1]
    assert "overlap" not in proposal_columns(own, None, ground.classes)
    rows = instance_rows(ground.frame[ground.frame["video_id"] == "v1"], own, said, ground.classes)
    assert [row["takers"] for row in rows] == [[0, 0, 1], [2, 2, 2]]  # the better-ranked one first
    assert [row["overlap"] for row in rows] == [1.0, 1.0]


def test_unscored_instances_say_nothing(tmp_path):
    ground, found = truth(tmp_path), detections(PERFECT)
    said = verdicts(ground, found, PROTOCOL)
    other = ground.frame[ground.frame["video_id"] == "v3"]
    assert "takers" not in instance_rows(other, found[:0], said, ground.classes)[0]
    assert "takers" not in instance_rows(other, found[:0], None, ground.classes)[0]


def test_curves_share_a_range_that_holds_a_share():
    own = small_scores({"v": 30}, ["jump", "dive"]).videos["v"]
    packed = curves(own, {"dive": 1, "jump": 0}, ["dive"])
    low, high = packed["activation"]["range"]
    back = low + decoded(packed["activation"]["curves"][0], "u1") / 255 * (high - low)
    assert np.abs(back - own.cas[:, 1]).max() < (high - low) / 255
    assert packed["snippets"] == 30 and list(packed["attention"]["curves"]) == [
        "fused",
        "rgb",
        "flow",
    ]
    assert packed["attention"]["range"] == [0.0, 1.0]
    own.attentions["rgb"][:] = np.linspace(-4, 9, 30)
    assert curves(own, {"dive": 1}, ["dive"])["attention"]["range"] == [-4.0, 9.0]
