"""The ledger: every protocol and checkpoint in one table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import PERFECT, PROTOCOL, detections, truth
from wstal.errors import WstalError
from wstal.evaluate.ledger import COLUMNS, ledger

COARSE = replace(PROTOCOL, name="coarse", units="snippets", snippets_per_second=0.2, title="rough")
EVENTS = replace(PROTOCOL, name="events", task="events")


def test_mean_difference_and_counts(tmp_path):
    perfect = detections(PERFECT)
    seeds = [(perfect, {10: perfect}), (perfect.iloc[:2], {10: perfect})]
    table = ledger(truth(tmp_path), [PROTOCOL, COARSE, EVENTS], seeds, None, note="made up")
    assert list(table.columns) == COLUMNS and set(table["protocol"]) == {"small", "coarse"}
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
    assert isinstance(empty, pd.DataFrame) and list(empty.columns) == COLUMNS and not len(empty)


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
