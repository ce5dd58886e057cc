"""The page's content: its verdicts on proposals are those of the evaluator."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import DATABASE, PERFECT, PROTOCOL, TIOUS, detections, random_case, truth
from viewer_cases import decoded, small_material, small_scores
from wstal.base.errors import WstalError
from wstal.evaluate import detection_map
from wstal.evaluate.average_precision import class_mean, interpolated_ap, match
from wstal.evaluate.ground_truth import GroundTruth
from wstal.localize.proposals import event_detections
from wstal.viewer.content import choose_videos, collect_measures, viewer_content
from wstal.viewer.page import (
    CLASSES,
    TIOU_STEPS,
    choose_classes,
    list_instances,
    match_proposals,
    pack_column,
    pack_curve,
    pack_curves,
    pack_proposals,
    value_range,
    viewer_page,
)

LABELS = {f"v{i:03d}": [f"c{i % 10 if i % 7 else 0}"] for i in range(100)}


def test_all_videos_are_shown_in_order_if_they_fit():
    assert choose_videos(LABELS, 100) == list(LABELS)


@pytest.mark.parametrize("count", [1, 10, 37, 99])
def test_a_choice_has_its_size_keeps_the_order_and_is_repeatable(count):
    chosen = choose_videos(LABELS, count)
    assert len(chosen) == count and chosen == sorted(chosen)
    backwards = choose_videos(dict(reversed(LABELS.items())), count)
    assert sorted(backwards) == chosen


def test_every_class_has_its_turn():
    chosen = choose_videos(LABELS, 10)
    assert {LABELS[video][0] for video in chosen} == {f"c{i}" for i in range(10)}


def test_videos_of_several_classes_or_none_count_once():
    labels = {"a": ["x", "y"], "b": ["x", "y"], "c": [], "d": ["y"]}
    assert len(set(choose_videos(labels, 3))) == 3


def test_a_page_of_no_videos_is_refused():
    with pytest.raises(WstalError, match="0 videos"):
        choose_videos(LABELS, 0)


def content_of(material, folder, **options):
    return viewer_content(material, folder / "viewer.html", folder, **options)


def test_the_page_holds_the_test_videos_in_order_and_their_provenance(tmp_path):
    content = content_of(small_material(tmp_path), tmp_path)
    assert [video["id"] for video in content["videos"]] == ["v1", "v2"]
    assert content["videoCount"] == 2 and content["iteration"] == 7
    assert content["provenance"] == {"code": "abc"} and content["about"]["note"] == "made up"
    assert content["grid"] == {"t0": 0.0, "step": 0.5} and content["activation"] == "logits"
    assert content["protocol"]["tious"] == [0.3, 0.5, 0.7]
    scores = content["scores"]
    assert len(scores) == 101 and (scores[0], scores[-1]) == (0.1, 0.9) and scores == sorted(scores)


def test_a_video_on_its_own_grid_carries_its_step(tmp_path):
    material = small_material(tmp_path)
    videos = dict(material.scores.videos)
    videos["v1"] = replace(videos["v1"], step=0.75)
    scores = replace(material.scores, videos=videos)
    first, second = content_of(replace(material, scores=scores), tmp_path)["videos"]
    assert first["step"] == 0.75 and first["end"] == 30.0  # 40 snippets
    assert second == content_of(material, tmp_path)["videos"][1]


def test_map_computed_from_the_page_is_detection_map(tmp_path):
    rng, rows = np.random.default_rng(3), []
    for video in ("v1", "v2"):
        start = rng.uniform(0, 9, 60)
        labels = rng.choice(["dive", "jump"], 60)
        end, score = start + rng.uniform(0.5, 4, 60), rng.integers(0, 30, 60) / 30
        rows += [(video, *row) for row in zip(start, end, labels, score, strict=True)]
    material = small_material(tmp_path, found=detections(rows))
    content = content_of(material, tmp_path)
    ground = material.truth.segments(["v1", "v2"])
    expected = detection_map(ground, material.found, PROTOCOL.tious, content["classes"])
    assert page_map(content) == pytest.approx(expected["map"])


def page_map(content):
    """mAP per tIoU from nothing but the page's content."""
    ap = np.full((len(content["protocol"]["tious"]), len(content["classes"])), np.nan)
    for level in range(len(ap)):
        for label in range(len(content["classes"])):
            scores, hits, count = [], [], 0
            for video in content["videos"]:
                own = decoded(video["proposals"]["label"], "u2") == label
                takers = {item["takers"][level] for item in video["instances"]}
                count += sum(item["label"] == label for item in video["instances"])
                scores.append(decoded(video["proposals"]["score"], "f4")[own])
                hits.append(np.isin(np.flatnonzero(own), list(takers)))
            # Ties between videos: the later video's rows rank first.
            score, hit = np.concatenate(scores[::-1]), np.concatenate(hits[::-1])
            hit = hit[np.argsort(-score, kind="stable")]
            ap[level, label] = interpolated_ap(hit[None], count, None)[0]
    return class_mean(ap)


def test_events_are_shown_where_no_detections_are_given(tmp_path):
    protocol = replace(PROTOCOL, tious=(), averages=(), select="", task="events")
    material = small_material(tmp_path, found=None, protocol=protocol)
    content = content_of(material, tmp_path)
    events = event_detections(material.scores)
    counts = events.groupby("video_id").size().to_dict()
    assert {v["id"]: v["proposals"]["count"] for v in content["videos"]} == counts
    assert all(
        "seconds" in video and "takers" not in video["instances"][0] for video in content["videos"]
    )


def test_without_annotated_segments_nothing_has_a_verdict(tmp_path):
    database = {k: v | {"annotations": []} for k, v in DATABASE.items()}
    content = content_of(
        small_material(tmp_path, truth=truth(tmp_path, database=database)), tmp_path
    )
    assert "overlap" not in content["videos"][0]["proposals"]
    assert content["videos"][0]["labels"] == [0, 1]


def test_proposals_alone_make_a_page(tmp_path):
    content = content_of(small_material(tmp_path, scores=None, manifest={}), tmp_path)
    assert content["grid"] is None and "attention" not in content["videos"][0]
    assert content["videos"][0]["instances"][0]["takers"] == [0, 0, 0]


def test_fewer_videos_are_shown_on_demand(tmp_path):
    content = content_of(small_material(tmp_path), tmp_path, shown=1)
    assert len(content["videos"]) == 1 and content["videoCount"] == 2


def test_detections_of_other_videos_are_refused(tmp_path):
    with pytest.raises(WstalError, match="'other'"):
        content_of(
            small_material(tmp_path, found=detections([("other", 0, 1, "dive", 1)])), tmp_path
        )


def test_a_set_of_the_size_of_thumos14_stays_small(tmp_path):
    """212 videos of 330 snippets and 500 proposals, 20 classes."""
    classes = [f"class {i}" for i in range(20)]
    entry = {"subset": "test", "duration": 211.0, "labels": classes[:1]}
    segment = {"annotations": [{"segment": [9.0, 12.0], "label": classes[0]}] * 16}
    database = {f"video_test_{i:07d}": entry | segment for i in range(212)}
    rng = np.random.default_rng(0)
    rows = [
        (video, start, start + 3.0, label, score)
        for video in database
        for start, label, score in zip(
            rng.uniform(0, 200, 500), rng.choice(classes, 500), rng.random(500), strict=True
        )
    ]
    material = small_material(
        tmp_path,
        truth=truth(tmp_path, classes=classes, database=database),
        scores=small_scores(dict.fromkeys(database, 330), classes),
        found=detections(rows),
    )
    page = viewer_page(content_of(material, tmp_path), "large")
    assert len(page.encode()) < 8e6
    assert json.loads(page.split('id="data">')[1].split("</script>")[0])["videoCount"] == 212


def row(metric, label, value, checkpoint="last", protocol="small"):
    head = {"protocol": protocol, "checkpoint": checkpoint, "metric": metric, "class": label}
    return {**head, "value": value, "coverage": "2/2 videos; 3/3 instances"}


def test_only_the_last_iterate_under_the_pages_own_protocol_counts():
    rows = [
        row("mAP@0.50", "all", "50.0"),
        row("mAP@0.3:0.7", "all", "41.5"),
        row("mAP@0.30", "all", "60"),
        row("mAP@0.3:0.7", "dive", "41.5"),
        row("mAP@0.3:0.7", "jump", ""),
        row("mAP@0.50", "all", "99", checkpoint="best_test"),
        row("mAP@0.50", "all", "98", protocol="other"),
    ]
    found = collect_measures(rows, PROTOCOL)
    assert [(m["metric"], m["value"]) for m in found["means"]] == [
        ("mAP@0.50", 50.0),
        ("mAP@0.3:0.7", 41.5),
    ]
    assert found["means"][0]["coverage"] == "2/2 videos; 3/3 instances"
    assert (found["of"], found["classes"]) == ("AP@0.3:0.7", {"dive": 41.5})


def test_events_have_accuracy_and_recall():
    rows = [row("accuracy", "all", "89.1"), row("accuracy", "dive", "34.9")]
    found = collect_measures(
        rows, replace(PROTOCOL, select="", averages=(), tious=(), task="events")
    )
    assert found["means"][0]["metric"] == "accuracy"
    assert (found["of"], found["classes"]) == ("recall", {"dive": 34.9})


def test_without_numbers_there_are_none():
    assert collect_measures([], PROTOCOL)["means"] == []


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
    verdicts = match_proposals(ground, found, PROTOCOL)
    matches = match(frame, found, TIOUS, ground.classes)
    for level in range(len(TIOUS)):
        hit = np.zeros(len(found), dtype=bool)
        hit[verdicts.taker[level][verdicts.taker[level] >= 0]] = True
        assert (hit[matches.order] == matches.hits[level]).all()
        assert hit.sum() == matches.hits[level].sum()  # no proposal takes two instances
    expected = detection_map(frame, found, TIOUS, ground.classes)["ap"]
    assert np.allclose(ap_of(verdicts, ground, found), expected, equal_nan=True)


def ap_of(verdicts, ground, found):
    """AP from takers alone, as a reader of the page would compute it."""
    ap = np.full((len(TIOUS), len(ground.classes)), np.nan)
    order = np.argsort(found["score"].to_numpy(), kind="stable")[::-1]
    for column, name in enumerate(ground.classes):
        count = int((ground.frame["label"] == name).sum())
        own = order[(found["label"] == name).to_numpy()[order]]
        hits = np.array([np.isin(own, verdicts.taker[level]) for level in range(len(TIOUS))])
        ap[:, column] = interpolated_ap(hits, count, None)
    return ap


@pytest.mark.parametrize("seed", range(6))
def test_hits_stay_the_same_when_weaker_proposals_are_hidden(seed):
    """The score slider needs no new matching."""
    frame, found = random_case(seed)
    ground = random_truth(frame, found)
    if not len(found):
        return
    least = found["score"].median()
    strong = found[found["score"] >= least].reset_index()
    all_of_them, some = (
        match_proposals(ground, found, PROTOCOL),
        match_proposals(ground, strong, PROTOCOL),
    )
    above = np.append(found["score"].to_numpy() >= least, False)
    expected = np.where(above[all_of_them.taker], all_of_them.taker, -1)
    assert (np.where(some.taker < 0, -1, strong["index"].to_numpy()[some.taker]) == expected).all()


def test_best_overlaps_of_both_sides(tmp_path):
    found = detections([("v1", 1.0, 2.0, "dive", 0.5), ("v1", 1.0, 3.0, "jump", 0.9)])
    verdicts = match_proposals(truth(tmp_path), found, PROTOCOL)
    assert verdicts.overlap.tolist() == [0.5, 0.0]
    named = dict(
        zip(truth(tmp_path).frame.itertuples(index=False), verdicts.instance_overlap, strict=True)
    )
    assert [value for item, value in named.items() if item.video_id == "v1"] == [0.5, 0.0]


def test_videos_that_the_protocol_leaves_out_have_no_verdict(tmp_path):
    ground = truth(tmp_path)
    verdicts = match_proposals(ground, detections(PERFECT), replace(PROTOCOL, exclude=("v2",)))
    assert np.isnan(verdicts.overlap[2]) and verdicts.held.tolist() == [True, True, False]
    unscored = ground.frame["video_id"].isin(["v2", "v3"]).to_numpy()
    assert (np.isnan(verdicts.instance_overlap) == unscored).all()
    usable = match_proposals(ground, detections(PERFECT), PROTOCOL, usable={"v2"})
    assert usable.held.tolist() == [False, False, True]


def test_misses_on_neutral_segments_do_not_count(tmp_path):
    ground = replace(
        truth(tmp_path),
        ambiguous=pd.DataFrame([("v1", 12.0, 14.0)], columns=["video_id", "t_start", "t_end"]),
    )
    found = detections([*PERFECT, ("v1", 12.0, 13.0, "dive", 0.4)])
    verdicts = match_proposals(ground, found, replace(PROTOCOL, ambiguous="neutral"))
    assert verdicts.held.tolist() == [True, True, True, False]


def test_snippets_are_matched_as_snippets(tmp_path):
    """Ground truth in whole snippets: 9.7 s is snippet 15.16, counted as 15."""
    protocol = replace(PROTOCOL, units="snippets")
    found = detections([("v1", 12 / 1.5625, 15 / 1.5625, "jump", 0.5)])
    verdicts = match_proposals(truth(tmp_path), found, protocol)
    assert verdicts.overlap.tolist() == [1.0]


def test_classes_kept_are_annotated_then_found_then_likely():
    found = detections([("v", 0, 1, "c", 0.2), ("v", 0, 1, "b", 0.9)])
    names = ["a", "b", "c", "d", "e"]
    assert choose_classes(["d", "d"], found, [0.1, 0, 0, 0, 0.8], names) == [
        "d",
        "b",
        "c",
        "e",
        "a",
    ]
    many = [f"c{i}" for i in range(200)]
    assert len(choose_classes(["c199"], detections([]), np.zeros(200), many)) == CLASSES


def test_proposals_come_back_with_their_verdicts(tmp_path):
    ground = truth(tmp_path)
    found = detections([*PERFECT, ("v1", 1.0, 2.0, "dive", 0.95)])
    verdicts = match_proposals(ground, found, PROTOCOL)
    own = found[found["video_id"] == "v1"].sort_values("score", ascending=False)
    columns = pack_proposals(own, verdicts, ground.classes)
    assert decoded(columns["score"], "f4") == pytest.approx([0.95, 0.9, 0.8])
    assert decoded(columns["end"], "f4") == pytest.approx([2.0, 3.0, 9.7])
    assert decoded(columns["label"], "u2").tolist() == [0, 0, 1]
    assert (decoded(columns["overlap"], "u2") / TIOU_STEPS).tolist() == [0.5, 1.0, 1.0]
    assert decoded(columns["held"], "u1").tolist() == [1, 1, 1]
    assert "overlap" not in pack_proposals(own, None, ground.classes)
    rows = list_instances(
        ground.frame[ground.frame["video_id"] == "v1"], own, verdicts, ground.classes
    )
    assert [row["takers"] for row in rows] == [[0, 0, 1], [2, 2, 2]]  # the better-ranked one first
    assert [row["overlap"] for row in rows] == [1.0, 1.0]


def test_unscored_instances_have_no_verdict(tmp_path):
    ground, found = truth(tmp_path), detections(PERFECT)
    verdicts = match_proposals(ground, found, PROTOCOL)
    other = ground.frame[ground.frame["video_id"] == "v3"]
    assert "takers" not in list_instances(other, found[:0], verdicts, ground.classes)[0]
    assert "takers" not in list_instances(other, found[:0], None, ground.classes)[0]


def test_curves_share_a_range_that_includes_zero_and_one():
    own = small_scores({"v": 30}, ["jump", "dive"]).videos["v"]
    packed = pack_curves(own, {"dive": 1, "jump": 0}, ["dive"])
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
    assert pack_curves(own, {"dive": 1}, ["dive"])["attention"]["range"] == [-4.0, 9.0]


@pytest.mark.parametrize("kind", ["f4", "u2", "u1"])
def test_a_column_comes_back_as_little_endian_numbers(kind):
    values = np.array([0, 1, 200, 7])
    back = np.frombuffer(base64.b64decode(pack_column(values, kind)), f"<{kind}")
    assert back.tolist() == values.tolist()


def test_a_curve_is_a_byte_a_value_and_off_by_half_a_step_at_most():
    values = np.random.default_rng(0).normal(size=500) * 3
    low, high = value_range([values])
    codes = np.frombuffer(base64.b64decode(pack_curve(values, low, high)), np.uint8)
    assert len(codes) == 500
    assert np.abs(low + codes / 255 * (high - low) - values).max() <= (high - low) / 255 / 2 + 1e-9


def test_a_constant_curve_and_no_curves_have_a_range():
    assert np.frombuffer(base64.b64decode(pack_curve(np.ones(3), 1, 1)), np.uint8).tolist() == [
        0,
        0,
        0,
    ]
    assert value_range([]) == (0.0, 1.0)
    assert value_range([np.array([0.2, 1.5])], 0.0, 1.0) == (0.0, 1.5)
