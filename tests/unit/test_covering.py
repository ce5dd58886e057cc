import numpy as np
import pytest
import torch
from wstal.errors import WstalError
from wstal.localize.covering import best_covering, selected
from wstal.losses.areas import Areas, areas_of, covered


def painted(scores, first, last, allowed, passed):
    """By its definition: for each location look at every proposal."""
    kept = np.zeros(len(scores), dtype=bool)
    for location in np.flatnonzero(passed):
        best = None
        for n in range(len(scores)):
            covers = allowed[n] and first[n] <= location <= last[n]
            if covers and (best is None or scores[n] > scores[best]):
                best = n
        if best is not None:
            kept[best] = True
    return kept


@pytest.mark.parametrize("seed", range(200))
def test_against_brute_force(seed):
    rng = np.random.default_rng(seed)
    length, count, rows = rng.integers(1, 40), rng.integers(1, 60), rng.integers(1, 4)
    edges = np.sort(rng.integers(0, length, (rows, count, 2)), axis=-1)
    first, last = edges[..., 0], edges[..., 1]
    scores = rng.integers(0, 8, (rows, count)) / 8 - 0.5  # with ties
    allowed, passed = rng.random((rows, count)) < 0.8, rng.random((rows, length)) < 0.6
    found = best_covering(*map(torch.from_numpy, (scores, first, last, allowed, passed)))
    expected = [painted(*row) for row in zip(scores, first, last, allowed, passed, strict=True)]
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("rule", ["location", "contains"])
def test_both_rules_on_refined_proposals(rule):
    torch.manual_seed(0)
    for _ in range(20):
        anchors, lengths = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([14, 9])
        shifts = anchors[:, None, None] * (torch.rand(2, 3, 14, 2) - 0.5)
        areas = areas_of(shifts, anchors, anchors.clamp(min=1), lengths)
        scores, passed = torch.rand(2, 3, 14), torch.rand(2, 14) < 0.7
        passed[1, 9:] = False
        found = selected(scores, areas, lengths, passed, rule)
        assert not (found & ~areas.valid).any()
        first, last = covered(areas, lengths)
        for row in range(2):
            allowed = areas.valid[row].flatten().numpy().copy()
            edges = zip(first[row].flatten().tolist(), last[row].flatten().tolist(), strict=True)
            if rule == "contains":
                allowed &= [bool(passed[row, a : b + 1].all()) for a, b in edges]
            parts = (scores, first, last)
            flat = [part[row].flatten().numpy() for part in parts]
            expected = painted(*flat, allowed, passed[row].numpy())
            np.testing.assert_array_equal(found[row].flatten().numpy(), expected)


def test_a_rule_of_another_name_is_refused():
    edge = torch.zeros(1, 1, 1)
    areas = Areas(edge, edge, edge, edge, edge == 0)
    with pytest.raises(WstalError, match="discard_rule 'any' is not one of location, contains"):
        selected(edge, areas, torch.tensor([1]), edge[0] == 0, "any")


def test_no_rows():
    edge = torch.zeros(0, 2, 5)
    areas = Areas(edge, edge, edge, edge, edge == 0)
    passed = torch.zeros(0, 5, dtype=torch.bool)
    assert selected(edge, areas, torch.zeros(0).long(), passed, "contains").shape == (0, 2, 5)
