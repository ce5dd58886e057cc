"""Rows of map.csv, and the choice of a checkpoint.

Seeds to mean, sd and n; readings and notes.

The ledger: every protocol and checkpoint in one table.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import DATABASE, PERFECT, PROTOCOL, detections, truth
from wstal.base.errors import WstalError
from wstal.evaluate.map_table import (
    ALL,
    COLUMNS,
    checkpoint_rows,
    detection_rows,
    frame_of,
    has_segments,
    video_rows,
)
from wstal.evaluate.protocols import prepare
from wstal.evaluate.summary import COLUMNS as SUMMARY
from wstal.evaluate.summary import LEDGER_COLUMNS as COLUMNS_evaluate_ledger
from wstal.evaluate.summary import ledger, summarize

SHIFTED = detections([(v, s + 1, e + 1, c, x) for v, s, e, c, x in PERFECT])
VAL = detections([("v3", 2.0, 4.0, "jump", 0.5)])


def means(rows):
    """{(checkpoint, metric): value} over all classes."""
    return {(r["checkpoint"], r["metric"]): r["value"] for r in rows if r["class"] == ALL}


def test_percent_per_threshold_average_and_class(tmp_path):
    found = detections(PERFECT).iloc[:2]  # the dive of v2 is missed
    rows = detection_rows(prepare(truth(tmp_path), found, PROTOCOL), PROTOCOL, "last")
    table = frame_of(rows).set_index(["metric", "class"])
    assert table.index.unique("metric").tolist() == [
        "mAP@0.30",
        "mAP@0.50",
        "mAP@0.70",
        "mAP@0.3:0.7",
    ]
    line = table.loc["mAP@0.3:0.7"]
    assert line["value"].to_dict() == {ALL: 75.0, "dive": 50.0, "jump": 100.0}
    assert line["gt"].to_dict() == {ALL: 3, "dive": 2, "jump": 1}
    assert line["predictions"].to_dict() == {ALL: 2, "dive": 1, "jump": 1}
    assert set(table["coverage"]) == {"2/2 videos; 3/3 instances"}


def test_best_on_test_is_the_first_of_the_best(tmp_path):
    history = {200: SHIFTED, 400: detections(PERFECT), 600: detections(PERFECT)}
    rows = checkpoint_rows(truth(tmp_path), PROTOCOL, history, None)
    assert means(rows)["best_test", "iteration"] == 400
    assert means(rows)["best_test", "mAP@0.70"] == 100
    assert not any(row["checkpoint"] == "best_val" for row in rows)


def test_best_on_validation_reads_no_test_ground_truth_to_choose(tmp_path):
    # Validation is right at 200, where the test videos are wrong.
    history = {200: pd.concat([SHIFTED, VAL]), 400: detections(PERFECT)}
    found = means(checkpoint_rows(truth(tmp_path), PROTOCOL, history, None))
    assert found["best_val", "iteration"] == 200 and found["best_test", "iteration"] == 400
    assert found["best_val", "mAP@0.70"] < found["best_test", "mAP@0.70"]


def test_the_paper_protocol_chooses_and_scores_best_test_alone(tmp_path):
    # On whole snippets of 4 s the jump ends at 8: off by a quarter, as the second iterate has it.
    paper = replace(PROTOCOL, name="paper", units="snippets", snippets_per_second=0.25)
    rounded = detections(
        [("v1", 0, 4, "dive", 1), ("v1", 8, 8, "jump", 1), ("v2", 0, 4, "dive", 1)]
    )
    history = {200: pd.concat([detections(PERFECT), VAL]), 400: rounded}
    rows = checkpoint_rows(truth(tmp_path), PROTOCOL, history, None, paper)
    found = means(rows)
    assert found["best_val", "iteration"] == 200 and found["best_test", "iteration"] == 400
    named = {(row["checkpoint"], row["protocol"]) for row in rows}
    assert named == {("best_val", "small"), ("best_test", "paper")}
    same = means(checkpoint_rows(truth(tmp_path), PROTOCOL, history, None))
    assert same["best_test", "iteration"] == 200


def test_the_choice_looks_at_usable_videos_alone(tmp_path):
    # 200 finds the dive of v2 alone; 400 those of v1, which has no features.
    found = detections(PERFECT)
    history = {200: found[found["video_id"] == "v2"], 400: found[found["video_id"] == "v1"]}
    for usable, best in (({"v2"}, 200), ({"v1"}, 400), (None, 400)):
        rows = means(checkpoint_rows(truth(tmp_path), PROTOCOL, history, usable))
        assert rows["best_test", "iteration"] == best


def test_no_history_gives_no_rows(tmp_path):
    assert checkpoint_rows(truth(tmp_path), PROTOCOL, {}, None) == []


def test_video_level(tmp_path):
    scores = {"v1": np.array([0.2, 0.9]), "v2": np.array([0.8, 0.1]), "v4": np.array([9.0, 9.0])}
    found = video_rows(truth(tmp_path), PROTOCOL, scores)
    assert {r["class"]: r["value"] for r in found} == {ALL: 100, "dive": 100, "jump": 100}
    assert found[0]["coverage"] == "2/2 videos; 3/3 instances" and found[0]["gt"] == 3
    missing = replace(PROTOCOL, coverage_rule="missing_is_miss")
    del scores["v1"]
    found = {r["class"]: r["value"] for r in video_rows(truth(tmp_path), missing, scores)}
    assert found == {ALL: 75, "dive": 100, "jump": 50}  # v1 ranks below v2 in every class
    found = video_rows(truth(tmp_path), PROTOCOL, scores)
    assert found[0]["coverage"] == "1/2 videos; 1/3 instances" and found[0]["value"] == 100


def test_has_segments(tmp_path):
    assert has_segments(truth(tmp_path), PROTOCOL)
    bare = {video: {**entry, "annotations": []} for video, entry in DATABASE.items()}
    assert not has_segments(truth(tmp_path, database=bare), PROTOCOL)


def seed(values, **more):
    """A map.csv with one metric; `values` by checkpoint."""
    row = {"protocol": "p", "metric": "mAP@0.50", "class": "all", "gt": 3, "predictions": 2}
    row |= {"coverage": "2/2 videos; 3/3 instances"} | more
    rows = [{**row, "checkpoint": key, "value": value} for key, value in values.items()]
    rows += [{**line, "class": "dive", "value": 1.0} for line in rows]
    rows.append({**row, "checkpoint": "best_test", "metric": "iteration", "value": 40})
    return pd.DataFrame(rows, columns=COLUMNS)


def summary(seeds, baselines=None, note="demo data"):
    """Summarized, as records by (run, reading)."""
    table = summarize(seeds, baselines, dataset="d", recipe="r", run="co2net", note=note)
    assert list(table.columns) == SUMMARY
    return {(row["run"], row["reading"]): row for row in table.to_dict("records")}


def test_mean_sd_n_and_both_readings():
    seeds = [seed({"last": v, "best_test": v + 2, "constant_attention": 5}) for v in (50, 60, 70)]
    found = summary(seeds)
    strict, paper = found["co2net", "strict"], found["co2net", "paper"]
    assert (strict["mean"], strict["sd"], strict["n"]) == (60, 10, 3)
    assert (strict["checkpoint"], paper["checkpoint"]) == ("last", "best_test")
    assert paper["mean"] == 62 and "paper protocol" in paper["note"]
    assert strict["note"] == "demo data" and "demo data" in paper["note"]
    baseline = found["constant_attention", "baseline"]
    assert baseline["mean"] == 5 and "attention of 1" in baseline["note"]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("values", "told"),
    [((97.2, 0.0, 92.4), True), ((97.2, 50, 92.4), False), ((3, 0, 1), False), ((3,), False)],
)
def test_a_mean_over_seeds_of_which_one_failed_says_so(values, told):
    seeds = [seed({"last": v, "constant_attention": v}, metric="mAP@0.1:0.7") for v in values]
    found = summary(seeds)
    assert ("a seed fell behind: 97.2, 0.0, 92.4" in found["co2net", "strict"]["note"]) is told
    assert "fell behind" not in found["constant_attention", "baseline"]["note"]
    seeds = [seed({"last": v}, metric="mAP@0.90") for v in values]  # small numbers differ
    assert "fell behind" not in summary(seeds)["co2net", "strict"]["note"]


def test_best_on_validation_is_the_strict_reading_where_there_is_one():
    found = summary([seed({"last": 50, "best_val": 55, "best_test": 60})])
    assert found["co2net", "strict"]["checkpoint"] == "best_val"
    assert found["co2net", "strict"]["mean"] == 55 and len(found) == 2
    assert pd.isna(found["co2net", "strict"]["sd"]) and found["co2net", "strict"]["n"] == 1


def test_baselines_from_their_own_file():
    rows = [{"baseline": "random_proposals", "seed": s, "value": s} for s in (1, 3)]
    baselines = pd.DataFrame(rows).assign(
        protocol="p", metric="mAP@0.50", coverage="2/2 videos; 3/3 instances"
    )
    found = summary([seed({"last": 50, "best_test": 60})], baselines)
    row = found["random_proposals", "baseline"]
    assert (row["mean"], row["n"]) == (2, 2) and "random classes" in row["note"]
    assert row["sd"] == pytest.approx(2**0.5, abs=1e-5)


def test_no_segments_is_noted():
    found = summary([seed({"last": 50}, metric="video_mAP")])
    assert found["co2net", "strict"]["note"] == "demo data; no segments"
    assert "no segments" not in summary([seed({"last": 50})])["co2net", "strict"]["note"]


def test_seeds_that_scored_different_things():
    with pytest.raises(WstalError, match=r"seeds of co2net on d.*best_test"):
        summary([seed({"last": 1, "best_test": 2}), seed({"last": 1})])


def test_the_paper_reading_keeps_its_own_protocol():
    seeds = []
    for value in (50, 60):
        table = seed({"last": value, "best_test": value + 5})
        table.loc[table["checkpoint"] == "best_test", "protocol"] = "q"
        seeds.append(table)
    found = summary(seeds)
    strict, paper = found["co2net", "strict"], found["co2net", "paper"]
    assert (strict["protocol"], strict["mean"]) == ("p", 55)
    assert (paper["protocol"], paper["mean"], paper["n"]) == ("q", 60, 2)
    assert paper["note"] == "demo data; paper protocol: checkpoint chosen on test"
    seeds[1]["protocol"] = "p"
    with pytest.raises(WstalError, match=r"scored different things.*'q'"):
        summary(seeds)


def test_coverage_that_differs_between_seeds_is_shown():
    found = summary([seed({"last": 1}), seed({"last": 2}, coverage="1/2 videos; 1/3 instances")])
    assert found["co2net", "strict"]["coverage"].count("|") == 1


COARSE = replace(PROTOCOL, name="coarse", units="snippets", snippets_per_second=0.2, title="rough")
EVENTS = replace(PROTOCOL, name="events", task="events")


def test_mean_difference_and_counts(tmp_path):
    perfect = detections(PERFECT)
    seeds = [(perfect, {10: perfect}), (perfect.iloc[:2], {10: perfect})]
    table = ledger(truth(tmp_path), [PROTOCOL, COARSE, EVENTS], seeds, None, note="made up")
    assert list(table.columns) == COLUMNS_evaluate_ledger and set(table["protocol"]) == {
        "small",
        "coarse",
    }
    found = table.set_index(["protocol", "checkpoint", "metric"])
    last = found.loc["small", "last", "mAP@0.3:0.7"]
    assert (last["mean"], last["n"], last["difference"]) == (87.5, 2, 0)
    assert last["sd"] == pytest.approx(12.5 * 2**0.5)
    best = found.loc["small", "best_test", "mAP@0.3:0.7"]
    assert (best["mean"], best["difference"]) == (100, 12.5)
    rough = found.loc["coarse", "last", "mAP@0.70"]
    assert rough["difference"] == rough["mean"] - found.loc["small", "last", "mAP@0.70"]["mean"] < 0
    assert last["note"] == "made up" and rough["title"] == "rough"


def test_what_was_chosen_on_test_says_so(tmp_path):
    perfect = detections(PERFECT)
    seeds = [(perfect, {10: perfect, 20: perfect.iloc[:1]})]
    for note in ("", "demo data"):
        table = ledger(truth(tmp_path), [PROTOCOL, COARSE], seeds, None, note=note)
        chosen = table["checkpoint"] == "best_test"
        assert chosen.any() and table.loc[chosen, "note"].str.contains("paper protocol").all()
        assert not table.loc[~chosen, "note"].str.contains("paper protocol").any()
        assert table["note"].str.startswith(note).all()


def test_missing_ambiguous_list_stops_the_ledger(tmp_path):
    strict = replace(PROTOCOL, name="filtered", ambiguous="filter")
    with pytest.raises(WstalError, match="filtered needs the ambiguous"):
        ledger(truth(tmp_path), [PROTOCOL, strict], [(detections(PERFECT), {})], None)


def test_no_protocol_is_an_empty_table(tmp_path):
    empty = ledger(truth(tmp_path), [], [(detections(PERFECT), {})], None)
    assert (
        isinstance(empty, pd.DataFrame)
        and list(empty.columns) == COLUMNS_evaluate_ledger
        and not len(empty)
    )


def test_events_under_their_protocols(tmp_path):
    test = {"v1": np.array([2, 0, 0, 2, 2, 2, 2, 2, 1, 1]), "v2": np.full(10, 2)}  # v2: 6 right
    seeds = [({**test, "v3": np.full(10, 2)}, {5: {**test, "v3": np.full(10, 1)}})]  # 8, 2 right
    both = replace(EVENTS, name="both", subsets=("val", "test"))
    table = ledger(truth(tmp_path), [EVENTS, PROTOCOL, both], seeds, None)
    found = table.set_index(["protocol", "checkpoint"])["mean"].to_dict()
    assert set(table["metric"]) == {"accuracy"}
    assert found == {
        ("events", "last"): 80,
        ("events", "best_val"): 80,
        ("events", "best_test"): 80,
        ("both", "last"): 80,
        ("both", "best_test"): 60,
    }
