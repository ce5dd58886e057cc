"""Protocols: what each choice does, by hand and on the real annotations of THUMOS14."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import DATABASE, PERFECT, PROTOCOL, detections, truth
from wstal.base.errors import WstalError
from wstal.config.protocols import read_protocol
from wstal.evaluate import detection_map
from wstal.evaluate.ground_truth import read_ground_truth
from wstal.evaluate.protocols import (
    overlaps_any,
    prepare,
    protocol_from,
)

FOUND = detections([*PERFECT, ("v3", 2.0, 4.0, "jump", 0.6)])
AMBIGUOUS = {
    "lists": {"ambiguous": ["v1"], "short": ["v2", "v3"]},
    "database": DATABASE | {"v1": DATABASE["v1"] | {"ambiguous": [[2.5, 2.8]]}},
}


def test_only_listed_videos_count(tmp_path):
    prepared = prepare(truth(tmp_path), FOUND, PROTOCOL)
    assert prepared.videos == ["v1", "v2"] and len(prepared.predictions) == 3
    both = replace(PROTOCOL, subsets=("val", "test"), exclude=("v2",))
    prepared = prepare(truth(tmp_path), FOUND, both)
    assert prepared.videos == ["v1", "v3"] and set(prepared.ground_truth["video_id"]) == {
        "v1",
        "v3",
    }


def test_named_list_or_an_error(tmp_path):
    short = replace(PROTOCOL, list="short")
    assert prepare(truth(tmp_path, **AMBIGUOUS), FOUND, short).videos == ["v2"]
    with pytest.raises(WstalError, match=r"needs the video list 'short'; there are none"):
        prepare(truth(tmp_path), FOUND, short)


def test_no_video_in_the_subset(tmp_path):
    one = {"v4": DATABASE["v4"], "v1": DATABASE["v1"]}
    with pytest.raises(WstalError, match=r"subset val.*'train': 1"):
        prepare(truth(tmp_path, database=one), FOUND, replace(PROTOCOL, subsets=("val",)))


def test_snippets_round_the_ground_truth_half_to_even_and_leave_predictions(tmp_path):
    snippets = replace(PROTOCOL, units="snippets", snippets_per_second=0.5)
    prepared = prepare(truth(tmp_path), FOUND, snippets)
    assert prepared.ground_truth[["t_start", "t_end"]].to_numpy().tolist() == [
        [0, 2],
        [4, 5],
        [0, 2],
    ]
    assert prepared.predictions["t_end"].tolist() == [1.5, 4.85, 2.0]


def test_predictions_on_the_grid_are_whole_after_their_trip_through_seconds(tmp_path):
    snippets = replace(PROTOCOL, units="snippets")
    grid = np.arange(2000)
    found = detections([("v1", s * 0.64, (s + 1) * 0.64, "dive", 1.0) for s in grid.tolist()])
    times = prepare(truth(tmp_path), found, snippets).predictions
    assert (times["t_start"].to_numpy() == grid).all()
    assert (times["t_end"].to_numpy() == grid + 1).all()


def test_whole_snippets_suit_one_step_that_begins_at_zero():
    snippets = replace(PROTOCOL, units="snippets")
    assert not any([snippets.misfit(None), snippets.misfit(0.64), snippets.misfit(16 / 25, 0.0)])
    assert "a step of 0.32 s" in snippets.misfit(0.32) and "3.125" in snippets.misfit(0.32)
    assert "begin at 0.1 s" in snippets.misfit(0.64, 0.1)
    assert PROTOCOL.misfit(0.32, 0.1) == ""


def test_missing_is_miss_or_left_out_and_the_coverage_says_so(tmp_path):
    values = {}
    for rule in ("restricted", "missing_is_miss"):
        protocol = replace(PROTOCOL, coverage_rule=rule)
        prepared = prepare(truth(tmp_path), FOUND.iloc[:2], protocol, {"v1"})
        assert str(prepared.coverage) == "1/2 videos; 2/3 instances"
        scored = detection_map(prepared.ground_truth, prepared.predictions, [0.5])
        values[rule] = scored["map"][0]
    assert values == {"restricted": 1.0, "missing_is_miss": 0.75}


def test_ambiguous_filter_neutral_ignore_and_never_silence(tmp_path):
    given = truth(tmp_path, **AMBIGUOUS)
    rows = [*PERFECT[1:], ("v1", 2.6, 2.9, "jump", 1.0), ("v1", 1.0, 3.0, "dive", 0.9)]
    found, values = detections(rows), {}
    for rule in ("ignore", "filter", "neutral"):
        prepared = prepare(given, found, replace(PROTOCOL, ambiguous=rule))
        scored = detection_map(prepared.ground_truth, prepared.predictions, [0.5], ["dive", "jump"])
        values[rule] = scored["ap"][0].tolist()
    # ignore: the touching jump is a miss ranked first. filter: it is gone, and so is the right
    # dive, which touches as well. neutral: it is gone, the right dive stays.
    assert values == {"ignore": [1.0, 0.5], "filter": [0.5, 1.0], "neutral": [1.0, 1.0]}
    with pytest.raises(WstalError, match="needs the ambiguous segments"):
        prepare(truth(tmp_path), found, replace(PROTOCOL, ambiguous="filter"))


def test_touching_needs_shared_time(tmp_path):
    segments = detections([("v", 2, 3, "", 0), ("v", 5, 5, "", 0)])
    found = detections([("v", 0, 2, "a", 1), ("v", 0, 2.1, "a", 1), ("v", 4, 6, "a", 1)])
    assert overlaps_any(found, segments).tolist() == [False, True, False]


def test_duplicates_leave_the_general_class(tmp_path):
    entry = {**DATABASE["v2"], "labels": ["dive", "jump"]}
    copies = [{"segment": [0.0, 4.0], "label": "jump"}, {"segment": [0.0, 4.1], "label": "jump"}]
    entry["annotations"] = [*entry["annotations"], *copies]
    given = truth(tmp_path, database=DATABASE | {"v2": entry})
    kept = prepare(given, FOUND, replace(PROTOCOL, duplicates={"jump": "dive"})).ground_truth
    assert kept[kept["video_id"] == "v2"]["t_end"].tolist() == [4.0, 4.1]
    assert kept["label"].tolist().count("dive") == 2
    assert len(prepare(given, FOUND, PROTOCOL).ground_truth) == 5


def test_averages_need_their_ends_among_the_thresholds():
    mapping = {
        "name": "p",
        "title": "P",
        "tious": [0.1, 0.2, 0.3],
        "averages": ["0.1:0.3"],
        "select": "0.1:0.3",
    }
    assert protocol_from(mapping).average_indices("0.1:0.3") == [0, 1, 2]
    with pytest.raises(WstalError, match=r"protocol p: average 0\.1:0\.5 needs"):
        protocol_from(mapping | {"averages": ["0.1:0.5"]})
    with pytest.raises(WstalError, match="protocol p: threshold: unknown key"):
        protocol_from(mapping | {"threshold": 1})
    with pytest.raises(WstalError, match="protocol p: title: missing"):
        protocol_from({"name": "p"})


@pytest.fixture(scope="module")
def thumos(reference):
    """THUMOS14's annotations as ActionFormer publishes them, with the ambiguous list."""
    folder = reference / "data/annotations/thumos14"
    given = read_ground_truth(folder / "thumos14_actionformer.json")
    return given.with_ambiguous(folder / "TH14evalkit_groundtruth/Ambiguous_test.txt")


def test_lists_of_thumos14(thumos):
    counts = {}
    for name in ("th14_213", "th14_212", "th14_211", "th14_210"):
        prepared = prepare(thumos, detections([]), read_protocol(name))
        counts[name] = (len(prepared.videos), len(prepared.ground_truth))
        assert str(prepared.coverage).startswith(f"{len(prepared.videos)}/{name[-3:]} videos")
    # This file, like most, lacks the video that has ambiguous segments alone.
    assert counts["th14_213"] == counts["th14_212"] == (212, 3358)
    assert counts["th14_211"][0] == 211 and counts["th14_210"] == (210, 3311)


def test_videos_that_are_not_predicted_keep_their_instances(thumos):
    """ACM-Net's scoring: 210 videos are predicted, the instances of 212 are counted."""
    videos = ["video_test_0000270", "video_test_0001496", "video_test_0000004"]
    rows = [(video, 1.0, 2.0, "Diving", 0.5) for video in videos]
    prepared = prepare(thumos, detections(rows), read_protocol("th14_212_predict_210"))
    assert (len(prepared.videos), len(prepared.ground_truth)) == (212, 3358)
    assert prepared.predictions["video_id"].tolist() == videos[2:]
    missed = prepared.ground_truth["video_id"].isin(videos[:2]).sum()
    assert missed == 3358 - 3311 == 47
    assert read_protocol("th14_212_predict_210").on_subset("val").unpredicted == ()


def test_what_rounding_does_to_thumos14(thumos):
    protocol = read_protocol("th14_212_snippets")
    rounded = prepare(thumos, detections([]), protocol).ground_truth
    exact = prepare(thumos, detections([]), read_protocol("th14_212")).ground_truth
    r, e = (frame[["t_start", "t_end"]].to_numpy() for frame in (rounded, exact))
    e = e * protocol.snippets_per_second
    shared = (np.minimum(r[:, 1], e[:, 1]) - np.maximum(r[:, 0], e[:, 0])).clip(min=0)
    overlap = shared / (np.diff(r).ravel() + np.diff(e).ravel() - shared)
    assert round(100 * (overlap < 0.9).mean(), 1) == 42.6
    assert (r[:, 0] == r[:, 1]).sum() == 17  # too short for a snippet: they can only be missed


def test_cliff_dives_count_once_in_the_distinct_protocol(thumos):
    kept = prepare(thumos, detections([]), read_protocol("th14_212_distinct")).ground_truth
    assert 3358 - len(kept) == 217 == (kept["label"] == "CliffDiving").sum()


def test_official_map_through_files_in_seconds(reference, thumos):
    data = np.load(reference / "fixtures/co2net/map.npz", allow_pickle=False)
    ids, p = data["video_ids"], data["prediction"]
    rows = [
        (str(ids[int(v)]), start * 0.64, end * 0.64, thumos.classes[int(c)], score)
        for v, start, end, c, score in p.tolist()
    ]
    prepared = prepare(thumos, detections(rows), read_protocol("th14_212_snippets"))
    scored = detection_map(
        prepared.ground_truth, prepared.predictions, data["ious"], prepared.classes
    )
    np.testing.assert_allclose(scored["ap"], data["ap"], rtol=0, atol=1e-9)
