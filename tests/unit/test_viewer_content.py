import json
from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import DATABASE, PROTOCOL, detections, truth
from viewer_cases import decoded, small_material, small_scores
from wstal.errors import WstalError
from wstal.evaluate import detection_map
from wstal.evaluate.average_precision import class_mean, interpolated_ap
from wstal.localize.events import event_detections
from wstal.viewer.content import viewer_content
from wstal.viewer.page import viewer_page


def content_of(material, folder, **options):
    return viewer_content(material, folder / "viewer.html", folder, **options)


def test_the_page_holds_the_test_videos_in_order_and_what_they_are_from(tmp_path):
    content = content_of(small_material(tmp_path), tmp_path)
    assert [video["id"] for video in content["videos"]] == ["v1", "v2"]
    assert content["videoCount"] == 2 and content["iteration"] == 7
    assert content["provenance"] == {"code": "abc"} and content["about"]["note"] == "made up"
    assert content["grid"] == {"t0": 0.0, "step": 0.5} and content["activation"] == "logits"
    assert content["protocol"]["tious"] == [0.3, 0.5, 0.7]
    scores = content["scores"]
    assert len(scores) == 101 and (scores[0], scores[-1]) == (0.1, 0.9) and scores == sorted(scores)


def test_map_reckoned_from_the_page_is_detection_map(tmp_path):
    rng, rows = np.random.default_rng(3), []
    for video in ("v1", "v2"):
        start = rng.uniform(0, 9, 60)
        for label, s, e, score in zip(
            rng.choice(["dive", "jump"], 60), start, start + rng.uniform(0.5, 4, 60),
            rng.integers(0, 30, 60) / 30, strict=True,
        ):  # fmt: skip
            rows.append((video, s, e, label, score))
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
