"""What the page says of proposals is what the evaluator says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import PERFECT, PROTOCOL, TIOUS, detections, random_case, truth
from wstal.evaluate import detection_map
from wstal.evaluate.average_precision import interpolated_ap
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.matching import match
from wstal.viewer.verdicts import verdicts


def random_truth(frame, found):
    """The ground truth of a random case; videos that only predictions know count too."""
    videos = sorted({*frame["video_id"], *found["video_id"]})
    classes = sorted({*frame["label"], *found["label"]})
    labels = {v: sorted(set(frame["label"][frame["video_id"] == v])) for v in videos}
    everything = (dict.fromkeys(videos, "test"), dict.fromkeys(videos, 20.0), labels)
    return GroundTruth("random", classes, *everything, frame)


@pytest.mark.parametrize("seed", range(12))
def test_hits_and_ap_are_those_of_detection_map(seed):
    frame, found = random_case(seed)
    ground = random_truth(frame, found)
    said = verdicts(ground, found, PROTOCOL)
    matches = match(frame, found, TIOUS, ground.classes)
    for level in range(len(TIOUS)):
        hit = np.zeros(len(found), dtype=bool)
        hit[said.taker[level][said.taker[level] >= 0]] = True
        assert (hit[matches.order] == matches.hits[level]).all()
        assert hit.sum() == matches.hits[level].sum()  # nobody takes two instances
    expected = detection_map(frame, found, TIOUS, ground.classes)["ap"]
    assert np.allclose(ap_of(said, ground, found), expected, equal_nan=True)


def ap_of(said, ground, found):
    """AP from takers alone, as a reader of the page would reckon it."""
    ap = np.full((len(TIOUS), len(ground.classes)), np.nan)
    order = np.argsort(found["score"].to_numpy(), kind="stable")[::-1]
    for column, name in enumerate(ground.classes):
        count = int((ground.frame["label"] == name).sum())
        own = order[(found["label"] == name).to_numpy()[order]]
        hits = np.array([np.isin(own, said.taker[level]) for level in range(len(TIOUS))])
        ap[:, column] = interpolated_ap(hits, count, None)
    return ap


@pytest.mark.parametrize("seed", range(6))
def test_what_hits_stays_when_weaker_proposals_are_hidden(seed):
    """The score slider needs no new matching."""
    frame, found = random_case(seed)
    ground = random_truth(frame, found)
    if not len(found):
        return
    least = found["score"].median()
    strong = found[found["score"] >= least].reset_index()
    all_of_them, some = verdicts(ground, found, PROTOCOL), verdicts(ground, strong, PROTOCOL)
    above = np.append(found["score"].to_numpy() >= least, False)
    expected = np.where(above[all_of_them.taker], all_of_them.taker, -1)
    assert (np.where(some.taker < 0, -1, strong["index"].to_numpy()[some.taker]) == expected).all()


def test_best_overlaps_of_both_sides(tmp_path):
    found = detections([("v1", 1.0, 2.0, "dive", 0.5), ("v1", 1.0, 3.0, "jump", 0.9)])
    said = verdicts(truth(tmp_path), found, PROTOCOL)
    assert said.overlap.tolist() == [0.5, 0.0]
    named = dict(
        zip(truth(tmp_path).frame.itertuples(index=False), said.instance_overlap, strict=True)
    )
    assert [value for item, value in named.items() if item.video_id == "v1"] == [0.5, 0.0]


def test_what_the_protocol_leaves_out_has_no_verdict(tmp_path):
    ground = truth(tmp_path)
    said = verdicts(ground, detections(PERFECT), replace(PROTOCOL, exclude=("v2",)))
    assert np.isnan(said.overlap[2]) and said.held.tolist() == [True, True, False]
    unscored = ground.frame["video_id"].isin(["v2", "v3"]).to_numpy()
    assert (np.isnan(said.instance_overlap) == unscored).all()
    usable = verdicts(ground, detections(PERFECT), PROTOCOL, usable={"v2"})
    assert usable.held.tolist() == [False, False, True]


def test_misses_on_neutral_segments_are_not_held_against_a_proposal(tmp_path):
    ground = replace(
        truth(tmp_path),
        ambiguous=pd.DataFrame([("v1", 12.0, 14.0)], columns=["video_id", "t_start", "t_end"]),
    )
    found = detections([*PERFECT, ("v1", 12.0, 13.0, "dive", 0.4)])
    said = verdicts(ground, found, replace(PROTOCOL, ambiguous="neutral"))
    assert said.held.tolist() == [True, True, True, False]


def test_snippets_are_matched_as_snippets(tmp_path):
    """Ground truth in whole snippets: 9.7 s is snippet 15.16, counted as 15."""
    protocol = replace(PROTOCOL, units="snippets")
    found = detections([("v1", 12 / 1.5625, 15 / 1.5625, "jump", 0.5)])
    said = verdicts(truth(tmp_path), found, protocol)
    assert said.overlap.tolist() == [1.0]
