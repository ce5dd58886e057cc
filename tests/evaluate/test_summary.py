"""`_map.csv` from the seeds' map.csv, and the ledger of protocols and checkpoints."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from evaluation_cases import PERFECT, PROTOCOL, detections, truth
from wstal.base.errors import WstalError
from wstal.evaluate import map_table
from wstal.evaluate.summary import (
    COLUMNS,
    LEDGER_COLUMNS,
    make_ledger,
    summarize,
    weights_note,
)


def seed(values, **more):
    """A map.csv with one metric; `values` by checkpoint."""
    row = {"protocol": "p", "metric": "mAP@0.50", "class": "all", "gt": 3, "predictions": 2}
    row |= {"coverage": "2/2 videos; 3/3 instances"} | more
    rows = [{**row, "checkpoint": key, "value": value} for key, value in values.items()]
    rows += [{**line, "class": "dive", "value": 1.0} for line in rows]
    rows.append({**row, "checkpoint": "best_test", "metric": "iteration", "value": 40})
    return pd.DataFrame(rows, columns=map_table.COLUMNS)


P = replace(PROTOCOL, name="p")
Q = replace(PROTOCOL, name="q")


def summary(seeds, baselines=None, paper=P, rule="best_test"):
    """Summarized, as records by (run, reading)."""
    about = {"dataset": "d", "recipe": "r", "run": "co2net", "note": "demo data"}
    table = summarize(seeds, baselines, **about, protocol=P, paper=paper, paper_checkpoint=rule)
    assert list(table.columns) == COLUMNS
    return {(row["run"], row["reading"]): row for row in table.to_dict("records")}


def test_mean_sd_n_and_the_readings():
    seeds = [seed({"last": v, "best_test": v + 2, "constant_attention": 5}) for v in (50, 60, 70)]
    found = summary(seeds)
    strict, paper = found["co2net", "strict"], found["co2net", "paper"]
    assert (strict["mean"], strict["sd"], strict["n"]) == (60, 10, 3)
    assert (strict["checkpoint"], paper["checkpoint"]) == ("last", "best_test")
    assert paper["mean"] == 62 and paper["note"] == "demo data; checkpoint chosen on test"
    assert strict["note"] == "demo data"
    assert found["co2net", "best_test"] == paper | {"reading": "best_test"}
    best = found["co2net", "best_seed"]
    assert (best["mean"], best["n"], best["checkpoint"]) == (72, 3, "best_test")
    assert pd.isna(best["sd"]) and best["note"].endswith("the best of 3 seeds, chosen on test")
    baseline = found["constant_attention", "baseline"]
    assert baseline["mean"] == 5 and "attention of 1" in baseline["note"]
    assert len(found) == 5


def test_without_a_paper_there_is_one_reading():
    seeds = [
        seed({"last": v, "best_val": v, "best_test": v + 2, "constant_attention": 5})
        for v in (50, 60)
    ]
    assert set(summary(seeds, paper=None)) == {
        ("co2net", "strict"),
        ("constant_attention", "baseline"),
    }


@pytest.mark.parametrize(("rule", "value"), [("last", 50), ("best_val", 55), ("best_test", 60)])
def test_the_paper_reading_is_the_checkpoint_that_the_paper_reports(rule, value):
    found = summary([seed({"last": 50, "best_val": 55, "best_test": 60})], rule=rule)
    paper = found["co2net", "paper"]
    assert (paper["checkpoint"], paper["mean"]) == (rule, value)
    assert ("chosen on test" in paper["note"]) is (rule == "best_test")
    assert found["co2net", "best_test"]["mean"] == 60
    assert "chosen on test" in found["co2net", "best_test"]["note"]
    assert ("co2net", "best_seed") not in found  # of one seed nothing is chosen


def test_best_on_validation_of_a_paper_is_the_last_iterate_where_nothing_can_be_chosen():
    found = summary([seed({"last": 50, "best_test": 60})], rule="best_val")
    assert found["co2net", "paper"]["checkpoint"] == "last"


def test_the_best_seed_is_one_seed_in_every_metric():
    seeds = []
    for average, single in ((40, 30), (50, 10)):
        rows = [seed({"last": average}, metric="mAP@0.3:0.7"), seed({"last": single})]
        seeds.append(pd.concat(rows))
    table = summarize(seeds, None, dataset="d", recipe="r", run="x", protocol=P, paper=P)
    best = table[table["reading"] == "best_seed"].set_index("metric")["mean"]
    assert best.to_dict() == {"mAP@0.3:0.7": 50, "mAP@0.50": 10}  # the second seed's
    mean = table[table["reading"] == "paper"].set_index("metric")["mean"]
    assert mean.to_dict() == {"mAP@0.3:0.7": 45, "mAP@0.50": 20}


def test_a_metric_without_a_best_on_validation_keeps_the_last_iterate():
    video = seed({"last": 70}, metric="video_mAP")
    rows = pd.concat([seed({"last": 50, "best_val": 55}), video])
    table = summarize([rows], None, dataset="d", recipe="r", run="x", protocol=P)
    strict = table[table["reading"] == "strict"].set_index("metric")
    assert strict["checkpoint"].to_dict() == {"mAP@0.50": "best_val", "video_mAP": "last"}


@pytest.mark.parametrize(
    ("values", "noted"),
    [((97.2, 0.0, 92.4), True), ((97.2, 50, 92.4), False), ((3, 0, 1), False), ((3,), False)],
)
def test_a_mean_over_seeds_of_which_one_failed_has_a_note(values, noted):
    seeds = [seed({"last": v, "constant_attention": v}, metric="mAP@0.1:0.7") for v in values]
    found = summary(seeds)
    assert ("a seed fell behind: 97.2, 0.0, 92.4" in found["co2net", "strict"]["note"]) is noted
    assert "fell behind" not in found["constant_attention", "baseline"]["note"]
    seeds = [seed({"last": v}, metric="mAP@0.90") for v in values]  # small numbers differ
    assert "fell behind" not in summary(seeds)["co2net", "strict"]["note"]


def test_best_on_validation_is_the_strict_reading_where_there_is_one():
    found = summary([seed({"last": 50, "best_val": 55, "best_test": 60})])
    assert found["co2net", "strict"]["checkpoint"] == "best_val"
    assert found["co2net", "strict"]["mean"] == 55 and len(found) == 3
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


def test_seeds_that_scored_nothing():
    with pytest.raises(WstalError, match=r"map\.csv of co2net on d.* no row of the class all"):
        summary([seed({"last": 1}).iloc[:0]])


def test_the_paper_reading_keeps_its_own_protocol():
    seeds = []
    for value in (50, 60):
        table = seed({"last": value, "best_test": value + 3})
        theirs = seed({"best_test": value + 5}, protocol="q")
        seeds.append(pd.concat([table, theirs], ignore_index=True))
    found = summary(seeds, paper=Q)
    strict, paper = found["co2net", "strict"], found["co2net", "paper"]
    assert (strict["protocol"], strict["mean"]) == ("p", 55)
    assert (paper["protocol"], paper["mean"], paper["n"]) == ("q", 60, 2)
    assert paper["note"] == "demo data; checkpoint chosen on test"
    best = found["co2net", "best_test"]  # the effect of the choice alone
    assert (best["protocol"], best["mean"]) == ("p", 58)
    assert found["co2net", "best_seed"]["protocol"] == "q"
    # A paper's protocol that does not fit the features is not in the seeds.
    own = [table[table["protocol"] == "p"] for table in seeds]
    assert summary(own, paper=Q)["co2net", "paper"]["protocol"] == "p"
    seeds[1]["protocol"] = "p"
    with pytest.raises(WstalError, match=r"scored different things.*'q'"):
        summary(seeds)


def test_coverage_that_differs_between_seeds_is_shown():
    found = summary([seed({"last": 1}), seed({"last": 2}, coverage="1/2 videos; 1/3 instances")])
    assert found["co2net", "strict"]["coverage"].count("|") == 1


COARSE = replace(PROTOCOL, name="coarse", units="snippets", snippets_per_second=0.2, title="rough")
EVENTS = replace(PROTOCOL, name="events", task="events")


def test_the_ledger_has_mean_difference_and_counts(tmp_path):
    perfect = detections(PERFECT)
    seeds = [(perfect, {10: perfect}), (perfect.iloc[:2], {10: perfect})]
    table = make_ledger(truth(tmp_path), [PROTOCOL, COARSE, EVENTS], seeds, None, note="made up")
    assert list(table.columns) == LEDGER_COLUMNS
    assert set(table["protocol"]) == {"small", "coarse"}
    found = table.set_index(["protocol", "checkpoint", "metric"])
    last = found.loc["small", "last", "mAP@0.3:0.7"]
    assert (last["mean"], last["n"], last["difference"]) == (87.5, 2, 0)
    assert last["sd"] == pytest.approx(12.5 * 2**0.5)
    best = found.loc["small", "best_test", "mAP@0.3:0.7"]
    assert (best["mean"], best["difference"]) == (100, 12.5)
    rough = found.loc["coarse", "last", "mAP@0.70"]
    assert rough["difference"] == rough["mean"] - found.loc["small", "last", "mAP@0.70"]["mean"] < 0
    assert last["note"] == "made up" and rough["title"] == "rough"


def test_a_checkpoint_chosen_on_test_is_noted(tmp_path):
    perfect = detections(PERFECT)
    seeds = [(perfect, {10: perfect, 20: perfect.iloc[:1]})]
    for note in ("", "demo data"):
        table = make_ledger(truth(tmp_path), [PROTOCOL, COARSE], seeds, None, note=note)
        chosen = table["checkpoint"] == "best_test"
        assert chosen.any() and table.loc[chosen, "note"].str.contains("chosen on test").all()
        assert not table.loc[~chosen, "note"].str.contains("chosen on test").any()
        assert table["note"].str.startswith(note).all()


def test_missing_ambiguous_list_stops_the_ledger(tmp_path):
    strict = replace(PROTOCOL, name="filtered", ambiguous="filter")
    with pytest.raises(WstalError, match="filtered needs the ambiguous"):
        make_ledger(truth(tmp_path), [PROTOCOL, strict], [(detections(PERFECT), {})], None)


def test_no_protocol_is_an_empty_table(tmp_path):
    empty = make_ledger(truth(tmp_path), [], [(detections(PERFECT), {})], None)
    assert list(empty.columns) == LEDGER_COLUMNS and not len(empty)


def test_the_ledger_of_events(tmp_path):
    test = {"v1": np.array([2, 0, 0, 2, 2, 2, 2, 2, 1, 1]), "v2": np.full(10, 2)}  # v2: 6 right
    seeds = [({**test, "v3": np.full(10, 2)}, {5: {**test, "v3": np.full(10, 1)}})]  # 8, 2 right
    both = replace(EVENTS, name="both", subsets=("val", "test"))
    table = make_ledger(truth(tmp_path), [EVENTS, PROTOCOL, both], seeds, None)
    found = table.set_index(["protocol", "checkpoint"])["mean"].to_dict()
    assert set(table["metric"]) == {"accuracy"}
    assert found == {
        ("events", "last"): 80,
        ("events", "best_val"): 80,
        ("events", "best_test"): 80,
        ("both", "last"): 80,
        ("both", "best_test"): 60,
    }


def test_untrained_weights_are_noted(tmp_path):
    for kind, note in (("untrained", "untrained weights"), ("pretrained", "")):
        with h5py.File(tmp_path / f"{kind}.h5", "w") as file:
            file.attrs["weights"] = kind
        assert weights_note(tmp_path / f"{kind}.h5") == note
    (tmp_path / "no.h5").write_text("text")
    with pytest.raises(WstalError, match="not a readable HDF5 file"):
        weights_note(tmp_path / "no.h5")
