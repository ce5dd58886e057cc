"""From the paper's number to ours: effects alone, what they do together, what is left."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import truth
from wstal.base.errors import WstalError
from wstal.evaluate.protocols import Protocol
from wstal.evaluate.summary import COLUMNS
from wstal.localize.scores import Scores, VideoScores, write_scores
from wstal.tables.gap import (
    CONVENTIONS,
    Conventions,
    build_gap,
    choose_metric,
    differing,
    gap_markdown,
    printed_numbers,
    wtalc_values,
)

METRIC = "mAP@0.1:0.7"
OWN = {"title": "seconds", "units": "seconds", "ambiguous": "ignore", "exclude": []}
PROTOCOLS = {
    "own": OWN,
    "own_snippets": {**OWN, "title": "in snippets", "units": "snippets"},
    "events": {**OWN, "title": "seconds of clips", "task": "events", "exclude": ["v"]},
    "own_distinct": {**OWN, "title": "no instance twice", "duplicates": {"a": "b"}},
    "own_snippets_filter": {
        **OWN,
        "title": "as the code",
        "units": "snippets",
        "ambiguous": "filter",
    },
}
CONVENTION = Conventions("own", "own_snippets_filter", "best_test", PROTOCOLS)
OTHERS = [
    {
        "cause": "features' source",
        "way": "published",
        "run": "m",
        "recipe": "published",
        "target": "results/d/published/m/m_map.csv",
        "paper": True,
    },
    {
        "cause": "m-short",
        "way": "length 320",
        "run": "m-short",
        "recipe": "ours",
        "target": "results/d/m-short_map.csv",
        "paper": False,
    },
]


def result(run, recipe, strict, paper, best_seed=None, sd=0.6):
    values = {
        "strict": ("own", "last", strict),
        "paper": ("own_snippets_filter", "best_test", paper),
    }
    values |= {"best_seed": ("own_snippets_filter", "best_test", best_seed)} if best_seed else {}
    rows = [
        ("d", recipe, run, reading, *about, sd if reading != "best_seed" else None, 3, "", "")
        for reading, (*where, mean) in values.items()
        for about in [(*where, METRIC, mean)]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def ledger(**values):
    rows = [
        (protocol, checkpoint, METRIC, mean, 0.5, 3)
        for name, mean in values.items()
        for protocol, _, checkpoint in [name.partition("__")]
    ]
    return pd.DataFrame(rows, columns=["protocol", "checkpoint", "metric", "mean", "sd", "n"])


LEDGER = ledger(
    own__last=42.0,
    own__best_test=43.0,
    own_snippets__last=42.5,
    own_snippets_filter__last=42.9,
    own_distinct__last=40.0,
)


def gap(results=None, printed=44.6, **changes):
    ours = result("m", "ours", 42.0, 43.8, 44.5)
    given = {"ours": ours, "ledger": LEDGER, "conventions": CONVENTION, "others": OTHERS} | changes
    printed = {METRIC: printed} if printed else {}
    return build_gap(**given, results=results or {}, printed=printed, metric=METRIC)


def row(frame, part, cause=""):
    found = frame[(frame["part"] == part) & frame["cause"].str.contains(cause, regex=False)]
    assert len(found) == 1, (part, cause)
    return found.iloc[0]


def test_own_videos_have_effects_and_no_papers_way():
    ours = result("m", "ours", 42.0, 43.8)
    frame = gap(printed=None, ours=ours[ours["reading"] == "strict"])
    assert not set(frame["part"]) & {"paper", "closest", "together", "unexplained"}
    assert "nan" not in gap_markdown(frame, "t", METRIC, "", "")


def test_every_rule_of_a_protocol_is_a_cause_or_no_convention():
    listed = [key for keys in CONVENTIONS.values() for key in keys]
    others = {"name", "title", "kinds", "task", "tious", "averages", "select", "seconds"}
    assert len(listed) == len(set(listed))
    assert set(listed) | others == {each.name for each in fields(Protocol)}


def test_each_effect_is_measured_alone_from_strict():
    frame = gap()
    assert row(frame, "gap")["effect"] == pytest.approx(2.6)
    assert row(frame, "cause", "snippet rounding")["effect"] == pytest.approx(0.5)
    assert row(frame, "cause", "choice of checkpoint")["effect"] == pytest.approx(1.0)
    assert row(frame, "other", "instances annotated twice")["effect"] == pytest.approx(-2.0)
    best = row(frame, "other", "best seed")
    assert best["effect"] == pytest.approx(0.7) and best["base"] == pytest.approx(43.8)
    assert not frame["way"].str.contains("clips").any()  # a protocol of another task
    assert row(frame, "other", "spread")["error"] == pytest.approx(0.6)


def test_the_rows_lead_from_ours_to_the_papers_number_exactly():
    for results in ({}, {("m", "published"): result("m", "published", 42.7, 44.1)}):
        frame = gap(results)
        counted = frame[frame["part"].isin(["cause", "together", "unexplained"])]
        total = row(frame, "ours")["value"] + counted["effect"].sum()
        assert total == pytest.approx(row(frame, "paper")["value"])
        assert row(frame, "closest")["value"] == pytest.approx(44.1 if results else 43.8)


def test_what_is_not_measured_is_listed_with_the_target_that_measures_it():
    frame = gap()
    features = row(frame, "cause", "features' source")
    assert np.isnan(features["effect"]) and features["target"] == OTHERS[0]["target"]
    assert row(frame, "other", "m-short")["target"] == "results/d/m-short_map.csv"
    ambiguous = row(frame, "cause", "ambiguous segments")  # of the paper, in no protocol alone
    assert np.isnan(ambiguous["effect"]) and "add one" in ambiguous["target"]
    text = gap_markdown(frame, "t", METRIC, "table 1", "")
    missing = text.split("## Not measured")[1]
    assert "`snakemake --cores 8 results/d/m-short_map.csv`" in missing
    assert "ambiguous segments" in missing and "ambiguous segments" not in text.split("## Not")[0]
    results = {("m-short", "ours"): result("m-short", "ours", 41.0, 42.0)}
    measured = row(gap(results), "other", "m-short")
    assert measured["effect"] == pytest.approx(-1.0) and measured["target"] == ""
    assert measured["error"] == pytest.approx(0.6 * np.sqrt(2 / 3))


def test_on_another_dataset_effects_stand_without_a_gap():
    frame = gap(printed=None)
    assert not {"paper", "gap", "unexplained"} & set(frame["part"])
    text = gap_markdown(frame, "t", METRIC, "", "simulated data")
    assert "not a dataset of the paper" in text and "unexplained" not in text
    assert "simulated data" in text and "snippet rounding | in snippets | 42.5 ± 0.5 | +0.5" in text


def test_validation_is_the_base_where_strict_has_chosen_on_it():
    ours = result("m", "ours", 42.2, 43.8).replace({"checkpoint": {"last": "best_val"}})
    values = {"own__last": 42.0, "own__best_val": 42.2, "own_snippets__best_val": 42.9}
    frame = gap(ours=ours, ledger=ledger(**values))
    assert row(frame, "cause", "snippet rounding")["effect"] == pytest.approx(0.7)
    assert row(frame, "other", "choice of checkpoint")["effect"] == pytest.approx(-0.2)


def test_one_seed_has_no_spread_and_no_best_one():
    ours = result("m", "ours", 42.0, 43.8, sd=None).assign(n=1)
    frame = gap(ours=ours)
    assert not frame["cause"].isin(["seeds' spread", "best seed"]).any()
    assert "nan" not in gap_markdown(frame, "t", METRIC, "table 1", "")


def test_a_run_without_the_metric_is_refused():
    with pytest.raises(WstalError, match=f"no strict reading of {METRIC}"):
        gap(ours=result("m", "ours", 42.0, 43.8).assign(metric="mAP@0.50"))


def test_the_metric_is_the_average_or_what_the_paper_prints():
    protocol = Protocol("p", "", (0.1, 0.5, 0.7), ("0.1:0.7",), "0.1:0.7")
    assert choose_metric(protocol, {METRIC: 1.0, "mAP@0.50": 2.0}) == METRIC
    assert choose_metric(protocol, {"mAP@0.30": 1.0, "mAP@0.50": 2.0}) == "mAP@0.50"
    assert choose_metric(protocol, {}) == METRIC
    events = Protocol("p", "", (), (), "", task="events")
    assert choose_metric(events, {"accuracy": 77.1}) == "accuracy"


def test_a_number_that_is_not_printed_is_no_number_of_the_paper():
    paper = pd.DataFrame(
        {
            "variant": ["full", "full", "part"],
            "dataset": "THUMOS14",
            "metric": ["mAP@0.5", "AVG(0.1:0.7)", "mAP@0.5"],
            "value": [38.3, None, 20.0],
        }
    )
    assert printed_numbers(paper, "full", "thumos14") == {"mAP@0.50": 38.3}


def test_videos_and_their_number_are_one_cause():
    assert differing(OWN, {**OWN, "videos": 210}) == []
    assert differing(OWN, {**OWN, "exclude": ["v"], "videos": 210}) == ["list of test videos"]


def test_the_evaluator_of_wtalc_scores_a_runs_own_activations(tmp_path):
    database = {
        video: {"subset": subset, "labels": labels, "annotations": annotations}
        for video, subset, labels, annotations in [
            ("v", "test", ["b"], [{"segment": [0, 6.4], "label": "b"}]),
            ("w", "test", [], []),
            ("x", "train", [], []),
        ]
    }
    known = truth(tmp_path, database=database, classes=["a", "b"])
    cas = np.full((40, 3), -4.0)
    cas[:10, 0] = 8.0  # class b, the first column of this file, for ten snippets of 0.64 s
    attention = np.ones(40)
    videos = {
        "v": VideoScores(cas, attention, np.ones(2)),
        "w": VideoScores(cas, 0 * attention, np.ones(2)),  # suppressed: nothing is found
        "x": VideoScores(cas, attention, np.ones(2)),  # not a test video
    }
    path = tmp_path / "scores.h5"
    protocol = Protocol("p", "", (0.1, 0.5, 0.7), ("0.1:0.7",), "0.1:0.7")
    write_scores(path, Scores(["b", "a"], videos))
    assert wtalc_values(known, protocol, [path, path], METRIC) == [100.0, 100.0]
    assert wtalc_values(known, protocol, [path], "mAP@0.50") == [100.0]
    write_scores(path, Scores(["b", "a"], videos, t0=0.2))
    assert wtalc_values(known, protocol, [path], METRIC) == []
