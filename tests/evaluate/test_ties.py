"""Equal scores: the worst, the best and the mean over the orders in which they may be ranked."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from evaluation_cases import PERFECT, PROTOCOL, detections, frame, truth
from wstal.base.errors import WstalError
from wstal.config.protocols import read_protocol
from wstal.evaluate import ties
from wstal.evaluate.average_precision import match, match_ap
from wstal.evaluate.bootstrap import paired_bootstrap
from wstal.evaluate.map_table import checkpoint_rows, detection_rows
from wstal.evaluate.protocols import prepare
from wstal.evaluate.summary import make_ledger
from wstal.evaluate.ties import tied_ap

TIOUS = (0.1, 0.3, 0.5)


def every_order(truth, found):
    """AP of one class in every order of its ties, [R, I], by a loop over all permutations."""
    values = []
    for order in permutations(range(len(found))):
        ranked = found.iloc[list(order)]
        if (np.diff(ranked["score"]) >= 0).all():  # the later of equals ranks first
            values.append(match_ap(match(truth, ranked, TIOUS, ["a"]))[:, 0])
    return np.array(values)


def tied_case(seed, instances):
    """Up to `instances` in each of three videos, and six detections of two scores."""
    rng = np.random.default_rng(seed)

    def rows(videos, most, *more):
        start = rng.integers(0, most, len(videos))
        end = start + rng.integers(1, 5, len(videos))
        columns = [column.tolist() for column in more]
        return list(zip(videos, start * 1.0, end * 1.0, "a" * len(videos), *columns, strict=True))

    counts = rng.integers(1, instances + 1, 3)
    given = frame(rows([f"v{n}" for n in range(3) for _ in range(counts[n])], 6))
    videos = [f"v{n}" for n in rng.integers(0, 3, rng.integers(2, 7))]
    found = detections(rows(videos, 8, rng.integers(0, 2, len(videos)) / 2))
    if seed % 3 == 0:
        found["neutral"] = rng.random(len(found)) < 0.4
    return given, found


@pytest.mark.parametrize("seed", range(15))
def test_the_values_are_those_of_all_orders(seed):
    given, found = tied_case(seed, instances=3)
    every = every_order(given, found)
    for kind, expected in (
        ("worst", every.min(0)),
        ("best", every.max(0)),
        ("mean", every.mean(0)),
    ):
        value = tied_ap(given, found, TIOUS, ["a"], kind)[:, 0]
        np.testing.assert_allclose(value, expected, atol=1e-12, err_msg=kind)
    stable = match_ap(match(given, found, TIOUS, ["a"]))
    np.testing.assert_array_equal(tied_ap(given, found, TIOUS, ["a"], "stable"), stable)


@pytest.mark.parametrize("seed", range(12))
def test_the_built_orders_are_extreme_where_no_detections_compete_for_several(seed, monkeypatch):
    monkeypatch.setattr(ties, "ORDERS", 0)
    for instances in (1, 3):
        given, found = tied_case(seed, instances)
        every = every_order(given, found)
        worst, best = (tied_ap(given, found, TIOUS, ["a"], k)[:, 0] for k in ("worst", "best"))
        assert (worst >= every.min(0) - 1e-12).all() and (best <= every.max(0) + 1e-12).all()
        if instances == 1:
            np.testing.assert_allclose(worst, every.min(0), atol=1e-12)
            np.testing.assert_allclose(best, every.max(0), atol=1e-12)


def test_a_sample_of_orders_gives_nearly_the_mean_of_all(monkeypatch):
    given, found = tied_case(4, instances=3)
    exact = tied_ap(given, found, TIOUS, ["a"], "mean")
    monkeypatch.setattr(ties, "ORDERS", 0)
    sampled = tied_ap(given, found, TIOUS, ["a"], "mean")
    assert not np.array_equal(sampled, exact) and np.abs(sampled - exact).max() < 0.03
    np.testing.assert_array_equal(tied_ap(given, found, TIOUS, ["a"], "mean"), sampled)


# One hit and one miss of the same score: AP 1 if the hit is first, 1/2 if it is not.
HALF = [("v1", 1.0, 3.0, "dive", 0.9), ("v1", 9.0, 12.0, "dive", 0.9)]


def test_by_hand_and_by_protocol(tmp_path):
    entry = {"subset": "test", "annotations": [{"segment": [1.0, 3.0], "label": "dive"}]}
    own = truth(tmp_path, database={"v1": entry}, classes=["dive"])
    expected = {"stable": 50, "worst": 50, "best": 100, "mean": 75}
    for kind, value in expected.items():
        protocol = replace(PROTOCOL, ties=kind)
        rows = detection_rows(prepare(own, detections(HALF), protocol), protocol, "last")
        assert {row["value"] for row in rows} == {value}
    # Chosen by the same rule: with ties at their best, the first iterate is as good as the second.
    history = {1: detections(HALF), 2: detections(HALF[:1])}
    for kind, iteration in (("stable", 2), ("best", 1)):
        rows = checkpoint_rows(own, replace(PROTOCOL, ties=kind), history, None)
        assert rows[-1]["metric"] == "iteration" and rows[-1]["value"] == iteration
    with pytest.raises(WstalError, match="is stable, worst, best or mean"):
        tied_ap(own.frame, detections(HALF), TIOUS, ["dive"], "first")


def test_the_ledger_shows_a_span_above_a_twentieth_of_a_point(tmp_path):
    own = truth(tmp_path)
    tied = detections([*PERFECT, ("v1", 15.0, 18.0, "dive", 0.9)])
    seeds = [(tied, {10: detections(PERFECT)}), (tied, {10: tied})]
    table = make_ledger(own, [PROTOCOL], seeds, None).set_index(["checkpoint", "metric"])
    line = table.loc["last", "mAP@0.50"]
    assert (line["worst"], line["best"]) == pytest.approx(
        (100 * (1 + 2 / 3) / 2, 100 * (1 + 5 / 6) / 2)
    )
    assert line["worst"] <= line["mean"] <= line["best"]
    untied = make_ledger(own, [PROTOCOL], [(detections(PERFECT), {})], None)
    assert untied[["worst", "best"]].isna().all(axis=None)


def test_a_comparison_needs_one_order(tmp_path):
    protocol = replace(read_protocol("demo"), ties="mean")
    run = [prepare(truth(tmp_path), detections(PERFECT), protocol)]
    with pytest.raises(WstalError, match="protocol demo has `ties: mean`.*`ties: stable`"):
        paired_bootstrap(run, run, protocol, resamples=10)
