"""The bootstrap: weights equal copies, intervals have their coverage, and it is fast."""

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import (
    EVENT_HISTORY,
    EVENTS,
    PERFECT,
    PROTOCOL,
    TIOUS,
    detections,
    frame,
    random_case,
    results_of,
    truth,
    write_detections,
    write_events,
)
from wstal.base.errors import WstalError
from wstal.evaluate import detection_map
from wstal.evaluate.average_precision import match
from wstal.evaluate.bootstrap import (
    class_differences,
    compare,
    event_draws,
    paired_bootstrap,
    read_strict_runs,
    weighted_ap,
)
from wstal.evaluate.events import Judged
from wstal.evaluate.ground_truth import Coverage
from wstal.evaluate.protocols import Prepared


def prepared(truth, predictions):
    """What `prepare` would give."""
    videos = sorted({*truth["video_id"], *predictions["video_id"]})
    classes = sorted({*truth["label"]})
    return Prepared(truth, predictions, classes, videos, Coverage(1, 1, 1, 1))


def copies(table, weights):
    """Each video as often as its weight says, copies under names of their own."""
    parts = [
        table[table["video_id"] == video].assign(video_id=f"{video} {copy}")
        for video, weight in weights.items()
        for copy in range(weight)
    ]
    return pd.concat([table[:0], *parts])


@pytest.mark.parametrize("neutral", [False, True])
def test_a_weight_of_k_is_k_copies_of_the_video(neutral):
    rng = np.random.default_rng(0)
    for seed in range(40):
        truth, predictions = random_case(seed, grid=None)
        # Copies of a video tie with one another but with no other video: so no tie elsewhere.
        predictions["score"] = rng.permutation(len(predictions)).astype(float)
        if neutral:
            predictions["neutral"] = rng.random(len(predictions)) < 0.4
        matches = match(truth, predictions, TIOUS)
        weights = rng.integers(0, 4, size=(3, len(matches.videos)))
        ours = weighted_ap(matches, weights)
        for draw, row in enumerate(weights.tolist()):
            own = dict(zip(matches.videos, row, strict=True))
            expected = detection_map(
                copies(truth, own), copies(predictions, own), TIOUS, matches.classes
            )
            np.testing.assert_allclose(ours[draw], expected["ap"], atol=1e-12)


def many_videos(seed, quality):
    """Sixty videos with two instances; a share `quality` of them found."""
    rng = np.random.default_rng(seed)
    truth = frame([(f"v{v}", 10 * i, 10 * i + 4, f"c{v % 3}") for v in range(60) for i in range(2)])
    found = rng.random(len(truth)) < quality
    shift = np.where(found, 0, 5.0)
    score = rng.random(len(truth))
    table = truth.assign(
        t_start=truth["t_start"] + shift, t_end=truth["t_end"] + shift, score=score
    )
    return prepared(truth, table)


def test_a_clear_difference_is_clear_and_none_is_none():
    good, bad = [many_videos(s, 0.9) for s in (1, 2)], [many_videos(s, 0.3) for s in (3, 4)]
    rows = paired_bootstrap(good, bad, PROTOCOL, resamples=200)
    row = {row["metric"]: row for row in rows}["mAP@0.3:0.7"]
    assert row["low"] > 0 and row["low"] <= row["difference"] <= row["high"]
    assert row["p"] == pytest.approx(2 / 201, abs=1e-6)
    mean = np.mean(
        [detection_map(p.ground_truth, p.predictions, TIOUS)["map"].mean() for p in good]
    )
    assert row["a_value"] == pytest.approx(100 * mean, abs=1e-5)
    assert row["difference"] == pytest.approx(row["a_value"] - row["b_value"], abs=1e-5)
    same = paired_bootstrap(good, good, PROTOCOL, resamples=50)[0]
    assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)


def test_seeded_and_swapping_runs_flips_the_sign():
    a, b = [many_videos(1, 0.6)], [many_videos(2, 0.5)]
    first = paired_bootstrap(a, b, PROTOCOL, resamples=100, seed=7)
    assert first == paired_bootstrap(a, b, PROTOCOL, resamples=100, seed=7)
    assert first != paired_bootstrap(a, b, PROTOCOL, resamples=100, seed=8)
    swapped = paired_bootstrap(b, a, PROTOCOL, resamples=100, seed=7)
    for row, other in zip(first, swapped, strict=True):
        assert row["difference"] == -other["difference"] and row["p"] == other["p"]
        assert row["low"] == pytest.approx(-other["high"], abs=1e-6)


def test_interval_covers_as_a_standard_error_would():
    a, b = [many_videos(1, 0.7)], [many_videos(2, 0.5)]
    row = paired_bootstrap(a, b, PROTOCOL, resamples=400)[0]
    # 60 videos, half of them right or wrong: a difference of means has an error near 7 points.
    assert 10 < row["high"] - row["low"] < 60


def test_frame_and_speed(project):
    a, b = [many_videos(1, 0.7)], [many_videos(2, 0.5)]
    start = time.monotonic()
    table = compare(a, b, PROTOCOL, names=("x", "y"), resamples=1000, note="made up")
    assert time.monotonic() - start < 20
    assert table["metric"].tolist() == ["mAP@0.30", "mAP@0.50", "mAP@0.70", "mAP@0.3:0.7"]
    assert set(table["a"]) == {"x"} and set(table["note"]) == {"made up"}
    assert set(table["videos"]) == {60} and set(table["resamples"]) == {1000}


def test_the_difference_of_each_class_is_that_of_its_videos_alone():
    a, b = [many_videos(1, 0.9), many_videos(5, 0.9)], [many_videos(2, 0.3)]
    rows = class_differences(a, b, PROTOCOL, ["c0", "c1", "c2"], resamples=300)
    assert [row["class"] for row in rows] == ["c0", "c1", "c2"]
    assert {row["metric"] for row in rows} == {"AP@0.3:0.7"}
    overall = paired_bootstrap(a, b, PROTOCOL, resamples=300)[-1]
    assert np.mean([row["difference"] for row in rows]) == pytest.approx(overall["difference"])
    for row in rows:
        assert 0 < row["low"] < row["difference"] < row["high"] and row["valid"] == 300
    one, none = (replace(few_annotated(4, found), classes=["c0", "c1"]) for found in (True, False))
    few = class_differences([one], [none], PROTOCOL, ["c0", "c1"])  # nothing of c1 is annotated
    assert [row["class"] for row in few] == ["c0"] and few[0]["difference"] == 100
    assert np.isnan(few[0]["low"]) and "4 videos are too few" in few[0]["note"]


def test_the_classes_of_events_are_compared_by_their_recall():
    protocol = replace(PROTOCOL, task="events")
    a, b = judged([8] * 12), judged([5] * 12)
    a.labels[:, 9] = b.labels[:, 9] = 1  # background, which both answer there
    rows = class_differences([a], [b], protocol, ["dive"], resamples=50)
    found = {row["class"]: (row["a_value"], row["b_value"], row["low"]) for row in rows}
    nine = 100 / 9
    assert found["dive"] == pytest.approx((8 * nine, 5 * nine, 3 * nine), abs=1e-5)
    assert found["background"] == (100, 100, 0)


def few_annotated(videos, found):
    """One video of several is annotated; `found` is whether its instance is."""
    truth = frame([("v0", 0.0, 4.0, "c0")])
    table = truth.assign(score=1.0, t_start=0.0 if found else 3.5)
    names = [f"v{index}" for index in range(videos)]
    return Prepared(truth, table, ["c0"], names, Coverage(videos, videos, 1, 1))


def test_draws_without_an_instance_count_nowhere():
    row = paired_bootstrap([few_annotated(4, True)], [few_annotated(4, False)], PROTOCOL)[0]
    # The one annotated video of four is missing from (3/4)^4 = 32 % of the draws.
    assert 630 < row["valid"] < 740 and row["note"] == ""
    assert row["p"] == pytest.approx(2 / (1 + row["valid"]), abs=1e-6)
    assert (row["difference"], row["low"], row["high"]) == (100, 100, 100)
    full = paired_bootstrap([many_videos(1, 0.7)], [many_videos(2, 0.5)], PROTOCOL, resamples=50)
    assert {row["valid"] for row in full} == {50}


def test_no_interval_from_a_minority_of_draws():
    # A draw of 100 misses the annotated one by 37 %, so that of nine sometimes most do.
    a, b = few_annotated(100, True), few_annotated(100, False)
    seeds = {s: paired_bootstrap([a], [b], PROTOCOL, resamples=9, seed=s)[0] for s in range(40)}
    row = next(row for row in seeds.values() if row["valid"] < 4.5)
    assert f"{9 - row['valid']} of 9 draws" in row["note"]
    assert np.isnan([row[key] for key in ("low", "high", "p")]).all()
    assert row["difference"] == 100
    assert all((row["valid"] < 4.5) == bool(row["note"]) for row in seeds.values())
    row = compare([a], [b], PROTOCOL, resamples=0, note="made up").iloc[0]
    assert row["note"] == "made up; no interval: 0 of 0 draws without an instance"


def test_empty_run_scores_zero():
    truth = many_videos(1, 0.7).ground_truth
    empty = Prepared(
        truth,
        detections([]).astype({"t_start": float, "t_end": float, "score": float}),
        ["c0", "c1", "c2"],
        sorted(set(truth["video_id"])),
        Coverage(60, 60, 120, 120),
    )
    row = paired_bootstrap([many_videos(1, 0.7)], [empty], PROTOCOL, resamples=20)[0]
    assert row["b_value"] == 0 and row["a_value"] > 0


def judged(right, names=None):
    """Runs of ten seconds per video, of which the first `right[v]` are right."""
    given = (np.arange(10) >= np.asarray(right)[:, None]).astype(int)
    videos = names or [f"v{i:02d}" for i in range(len(right))]
    coverage = Coverage(len(right), len(right), len(right), len(right))
    return Judged(videos, np.zeros_like(given), given, coverage)


def test_accuracy_is_drawn_over_videos():
    """Against a loop that repeats the videos drawn, and the standard error of a mean."""
    rng = np.random.default_rng(3)
    run = judged(rng.integers(0, 11, 40))
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=30)
    found = event_draws(run, run.videos, weights)[:, 0]
    for drawn, value in zip(weights, found, strict=True):
        copies = np.repeat(run.given == run.labels, drawn, axis=0)
        assert value == pytest.approx(copies.mean())
    protocol = replace(PROTOCOL, task="events")
    other = judged(rng.integers(0, 11, 40))
    (row,) = paired_bootstrap([run], [other], protocol, resamples=4000)
    gap = run.share_right - other.share_right
    half = 196 * gap.std() / 40**0.5
    assert row["metric"] == "accuracy"
    assert row["difference"] == pytest.approx(100 * gap.mean(), abs=1e-4)
    assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.1)


def test_better_in_every_video_is_better_and_videos_must_agree():
    protocol = replace(PROTOCOL, task="events")
    better, worse = judged([8, 9, 7] * 4), judged([5, 6, 2] * 4)
    line = compare([better], [worse], protocol, checkpoint="best_val").iloc[0]
    assert line["low"] > 0 and line["checkpoint"] == "best_val" and line["valid"] == 1000
    with pytest.raises(WstalError, match="video v00 is scored in one run"):
        compare([judged([8, 9])], [judged([5, 6], ["x", "y"])], protocol)


@pytest.mark.parametrize(("videos", "enough"), [(2, False), (9, False), (10, True)])
def test_few_videos_give_a_difference_without_an_interval(videos, enough):
    protocol = replace(PROTOCOL, task="events")
    given = [judged([8] * videos)], [judged([5] * videos)]
    line = compare(*given, protocol, note="made up").iloc[0]
    assert line["difference"] == 30 and line[["low", "high", "p"]].notna().all() == enough
    few = f"; no interval: {videos} videos are too few, at least 10 are needed"
    assert line["note"] == "made up" + ("" if enough else few)


@pytest.mark.parametrize("swapped", [False, True])
def test_runs_of_unequal_videos_are_not_compared(swapped):
    truth = frame([(f"v{v}", 0, 4, "c") for v in range(6)])
    found = detections([(f"v{v}", 0, 3, "c", 1 - v / 10) for v in range(6)])
    pair = [
        [replace(prepared(truth[keep], found[keep]), classes=["c"])]
        for keep in (slice(None), slice(5))
    ]
    with pytest.raises(WstalError, match="v5 is scored in one run and not in the other"):
        paired_bootstrap(*(pair[::-1] if swapped else pair), PROTOCOL, resamples=10)


def test_runs_of_events_are_compared_at_the_best_on_validation(tmp_path):
    own = truth(tmp_path)
    a = write_events(tmp_path, "a", EVENT_HISTORY[30], EVENT_HISTORY)
    b = write_events(tmp_path, "b", EVENT_HISTORY[30], {30: EVENT_HISTORY[30]})
    given = [([a[0]], [a[1]]), ([b[0]], [b[1]])]
    checkpoint, runs = read_strict_runs(own, EVENTS, None, given)
    assert checkpoint == "best_val"
    assert [run[0].share_right.tolist() for run in runs] == [[1, 0.6], [0.6, 0.6]]
    checkpoint, runs = read_strict_runs(own, EVENTS, None, [([a[0]], []), ([b[0]], [])])
    assert checkpoint == "last" and runs[0][0].share_right.tolist() == [0.6, 0.6]
    with pytest.raises(WstalError, match="best_val, last cannot be compared"):
        read_strict_runs(own, EVENTS, None, [([a[0]], [a[1]]), ([b[0]], [])])
    with pytest.raises(WstalError, match="1 files of the last iterate and 2 by iteration"):
        read_strict_runs(own, EVENTS, None, [([a[0]], [a[1], a[1]])])


def test_runs_of_detections_are_compared_at_the_best_on_validation(tmp_path):
    own, files = truth(tmp_path), {}
    right = detections([*PERFECT, ("v3", 2.0, 4.0, "jump", 0.5)])
    for name, first in (("a", right), ("b", right.iloc[2:])):
        content = {"5": results_of(first), "10": results_of(right.iloc[:3])}
        files[name] = write_detections(tmp_path / f"{name}.json", right.iloc[:1]), tmp_path / name
        files[name][1].write_text(json.dumps({"iterations": content}))
    given = [([last], [history]) for last, history in files.values()]
    checkpoint, runs = read_strict_runs(own, PROTOCOL, None, given)
    assert checkpoint == "best_val" and [len(run[0].predictions) for run in runs] == [3, 1]
    both = replace(PROTOCOL, subsets=("val", "test"))  # which the choice would be made on
    assert read_strict_runs(own, both, None, given)[0] == "last"
    with pytest.raises(WstalError, match="best_val, last cannot be compared"):
        read_strict_runs(own, PROTOCOL, None, [given[0], (given[1][0], [])])


def test_runs_of_detections_are_compared_at_the_last_iterate(tmp_path):
    warnings = []
    proposals = write_detections(tmp_path / "p.json", detections(PERFECT))
    found = detections([("v3", 2.0, 4.0, "jump", 0.5)])
    outside = write_detections(tmp_path / "val.json", found)
    given = [([proposals], []), ([outside], [])]
    checkpoint, runs = read_strict_runs(truth(tmp_path), PROTOCOL, None, given, warnings.append)
    assert checkpoint == "last" and [len(run[0].predictions) for run in runs] == [3, 0]
    assert len(warnings) == 1 and "val.json: 1 detections" in warnings[0]
