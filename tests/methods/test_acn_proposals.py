"""ACN's proposals against loops over their definitions: areas, contrast, coherence, selection."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from wstal.methods.acn.proposals import (
    Areas,
    areas_of,
    best_covering,
    between,
    coherence,
    covered,
    outer_inner_contrast,
    prefix_sums,
    product_prefix,
    proposal_loss,
    selected,
)


def refined(shifts, anchors=(2, 4), lengths=(6,)):
    anchors = torch.tensor(anchors)
    return areas_of(shifts, anchors, (anchors / 4).clamp(min=1), torch.tensor(lengths))


def test_anchors_slide_from_0_to_t_minus_p_minus_1():
    found = refined(torch.zeros(1, 2, 6, 2))
    assert found.valid[0, 0].tolist() == [True, True, True, True, False, False]
    assert found.valid[0, 1].tolist() == [True, True, False, False, False, False]
    assert found.start[0, 0, :4].tolist() == [0, 1, 2, 3]
    assert found.end[0, 0, :4].tolist() == [2, 3, 4, 5]  # P + 1 snippets, the last one included
    assert found.outer_start[0, 1, :2].tolist() == [-1, 0]
    assert found.outer_end[0, 1, :2].tolist() == [5, 6]


def test_a_video_no_longer_than_the_anchor_has_no_proposals():
    assert not refined(torch.zeros(1, 1, 4, 2), (4,), (4,)).valid.any()
    assert refined(torch.zeros(1, 1, 5, 2), (4,), (5,)).valid.sum() == 1


def test_each_boundary_moves_by_the_output_at_its_own_location():
    shifts = torch.zeros(1, 1, 6, 2)
    shifts[0, 0, 1, 0], shifts[0, 0, 3, 1] = 0.5, -0.75
    shifts[0, 0, 1, 1], shifts[0, 0, 3, 0] = 9, 9  # belong to other proposals' boundaries
    found = refined(shifts, (2,))
    assert (found.start[0, 0, 1], found.end[0, 0, 1]) == (1.5, 2.25)


def test_regression_never_inverts_a_segment():
    torch.manual_seed(0)
    anchors = torch.tensor([1, 2, 4, 8, 16, 32])
    extremes = torch.tensor([-1e9, -20.0, -1.0, 0.0, 1.0, 20.0, 1e9])
    outputs = extremes[torch.randint(7, (50, 6, 80, 2))]
    shifts = anchors[:, None, None] * (outputs.sigmoid() - 0.5)
    found = refined(shifts, anchors.tolist(), [80] * 50)
    assert (found.end >= found.start).all()
    assert (found.outer_start < found.start).all() and (found.outer_end > found.end).all()


def test_proposals_that_leave_the_video_hold_harmless_areas_without_gradient():
    shifts = torch.randn(1, 2, 6, 2, requires_grad=True)
    found = refined(shifts, (2, 4), (3,))
    assert found.valid.sum() == 1
    outside = ~found.valid
    assert (found.start[outside] == 0).all() and (found.outer_end[outside] == 1).all()
    sum(edge.sum() for edge in found[:4]).backward()
    used = torch.zeros(1, 2, 6, 2)
    used[0, 0, 0, 0] = used[0, 0, 2, 1] = 2
    assert torch.equal(shifts.grad, used)


def test_of_videos():
    found = refined(torch.randn(3, 2, 6, 2), lengths=(6, 5, 4)).of(torch.tensor([2, 0, 2]))
    assert isinstance(found, Areas) and found.start.shape == (3, 2, 6)
    assert torch.equal(found.start[0], found.start[2])


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(1, 3, (1, 3)), (1.4, 3.4, (1, 3)), (1.6, 2.6, (2, 3)), (3.2, 3.3, (3, 3)), (-4, 9, (0, 4))],
)
def test_a_snippet_is_covered_where_its_centre_is(start, end, expected):
    edge = torch.tensor([[[start]]], dtype=torch.float64)
    areas = Areas(edge, edge, torch.full_like(edge, end), edge, edge > -9)
    first, last = covered(areas, torch.tensor([5]))
    assert (first.item(), last.item()) == expected


def test_integrals_of_a_step_function_by_hand():
    prefix = prefix_sums(torch.tensor([[1.0, 3.0, 5.0]]))
    assert prefix.tolist() == [[0, 1, 4, 9]]
    start = torch.tensor([[0.0, 0.5, 1.25, -4.0, 2.0, 3.0]])
    stop = torch.tensor([[3.0, 1.5, 1.75, 1.0, 9.0, 8.0]])
    assert between(prefix, start, stop).tolist() == [[9, 0.5 + 1.5, 1.5, 1, 5, 0]]


def test_the_derivative_is_the_value_at_the_boundary():
    prefix = prefix_sums(torch.tensor([[1.0, 3.0, 5.0]]))
    start = torch.tensor([[0.25, 1.5, -1.0]], dtype=torch.float64, requires_grad=True)
    stop = torch.tensor([[1.75, 2.5, 4.0]], dtype=torch.float64, requires_grad=True)
    between(prefix, start, stop).sum().backward()
    assert start.grad.tolist() == [[-1, -3, 0]]
    assert stop.grad.tolist() == [[3, 5, 0]]


def test_rows_and_shapes_are_kept():
    x = torch.rand(3, 7)
    start = torch.rand(3, 2, 4) * 3
    found = between(prefix_sums(x), start, start + 2)
    assert found.shape == (3, 2, 4)
    alone = between(prefix_sums(x[1:2]), start[1:2], start[1:2] + 2)
    assert torch.equal(found[1:2], alone)


def test_gradients_against_finite_differences():
    torch.manual_seed(0)
    prefix = prefix_sums(torch.rand(2, 9))
    edges = (torch.rand(2, 5, dtype=torch.float64) * 9).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda at: between(prefix, at, at + 2.37), (edges,), eps=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_sequences(length):
    prefix = prefix_sums(torch.ones(1, length))
    found = between(prefix, torch.tensor([[-1.0]]), torch.tensor([[5.0]]))
    assert found.item() == length


def one(outer_start, start, end, outer_end):
    edges = (
        torch.tensor([[[float(x)]]], dtype=torch.float64)
        for x in (outer_start, start, end, outer_end)
    )
    return Areas(*edges, torch.ones(1, 1, 1, dtype=torch.bool))


def contrast(scores, *edges, length=None):
    lengths = torch.tensor([length or len(scores)])
    return outer_inner_contrast(torch.tensor([scores]), one(*edges), lengths).item()


def test_by_hand():
    scores = [0.0, 0.2, 1.0, 0.8, 0.4, 0.0]
    assert contrast(scores, 1, 2, 3, 4) == pytest.approx((0.2 + 0.4) / 2 - 0.9)
    # Half a snippet further on either side: the outer area is two half snippets beside the action.
    assert contrast(scores, 1, 1.5, 3.5, 4) == pytest.approx(
        (0.1 + 0.2) / 1 - (0.1 + 1.0 + 0.8 + 0.2) / 3
    )


def test_a_perfect_proposal_scores_minus_one_and_its_negative_one():
    scores = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    assert contrast(scores, 1, 2, 3, 4) == pytest.approx(-1)
    assert contrast([1 - x for x in scores], 1, 2, 3, 4) == pytest.approx(1)


def test_outside_the_video_scores_are_zero():
    assert contrast([0.5] * 4, -1, 0, 3, 4) == pytest.approx(0 - 0.5)
    assert contrast([0.5] * 4, -1, 0, 1, 2) == pytest.approx(0.5 / 2 - 0.5)


def test_actions_are_cut_one_snippet_outside_and_their_surroundings_two():
    inside = (1 + 1 + 1) / 5  # -1..3 of a video of three
    assert contrast([1.0] * 3, -9, -5, 8, 12) == pytest.approx(0 / 2 - inside)
    assert contrast([1.0] * 3, -2, -1, 3, 4) == pytest.approx(0 / 2 - inside)


def test_whole_snippets_against_loops():
    rng = np.random.default_rng(0)
    scores = rng.random(40)
    for _ in range(100):
        start, end = np.sort(rng.integers(4, 36, 2))
        before, after = rng.integers(1, 4, 2)
        inside = [scores[t] for t in range(start, end + 1)]
        beside = [*range(start - before, start), *range(end + 1, end + after + 1)]
        expected = np.mean([scores[t] for t in beside]) - np.mean(inside)
        found = contrast(scores.tolist(), start - before, start, end, end + after)
        assert found == pytest.approx(expected, abs=1e-6)  # scores pass through float32


def test_what_lies_beyond_a_rows_length_is_cut_as_the_end_of_the_video():
    padded = torch.tensor([[0.3, 0.9, 0.8, 0.0, 0.0]])
    alone = padded[:, :3]
    areas, lengths = one(-0.5, 0.7, 4.2, 6.1), torch.tensor([3])
    found = outer_inner_contrast(padded, areas, lengths)
    torch.testing.assert_close(found, outer_inner_contrast(alone, areas, lengths))


def test_gradients_against_finite_differences_oic():
    torch.manual_seed(0)
    scores, lengths = torch.rand(2, 12, dtype=torch.float64), torch.tensor([12, 9])
    scores[1, 9:] = 0
    anchors = torch.tensor([1.0, 2.0, 4.0])
    shifts = (
        anchors[:, None, None] * (torch.rand(2, 3, 12, 2, dtype=torch.float64) - 0.5)
    ).requires_grad_()

    def total(shifts):
        return outer_inner_contrast(
            scores, areas_of(shifts, anchors, anchors.clamp(min=1), lengths), lengths
        )

    assert torch.autograd.gradcheck(total, (shifts,), eps=1e-7, atol=1e-6)


def test_the_combined_loss():
    contrast, coherence = torch.tensor([-0.5, 0.25]), torch.tensor([0.5, 1.0])
    assert proposal_loss(contrast, coherence, 0.6).tolist() == pytest.approx([-0.3 - 0.2, 0.15])
    assert torch.equal(proposal_loss(contrast, coherence, 1), contrast)
    assert torch.equal(proposal_loss(contrast, coherence, 0), coherence - 1)


X, Y = [1.0, 0.0], [0.0, 2.0]


def value(rows, *edges, **options):
    features = torch.tensor([rows], dtype=torch.float64)
    prefix = product_prefix(features, **options)
    return coherence(prefix, one(*edges), torch.tensor([len(rows)])).item()


def mean_of(features, a, b):
    """Mean over the inclusive range a..b, fractional, zero beyond the ends; by its definition."""
    total = np.zeros(features.shape[1])
    for t, row in enumerate(features):
        total += row * max(0.0, min(b + 1, t + 1) - max(a, t))
    return total / (b - a + 1)


def by_definition(features, outer_start, start, end, outer_end):
    action = mean_of(features, start, end)
    sides = []
    if start >= 1:
        sides.append(mean_of(features, outer_start, start))
    if end <= len(features) - 2:
        sides.append(mean_of(features, end, outer_end))
    cosines = [action @ s / np.linalg.norm(action) / np.linalg.norm(s) for s in sides]
    return np.mean(cosines) if cosines else 1.0


def test_by_hand_coherence():
    # The areas beside share the boundary snippet: (0,2)+(1,0) against (2,0).
    assert value([Y, X, X, Y], 0, 1, 2, 3) == pytest.approx(1 / np.sqrt(5))
    # Between two boundaries of whole snippets: half of Y and all of X.
    assert value([Y, X, X, Y], 0.5, 1, 2, 2.5) == pytest.approx(1 / np.sqrt(2))
    assert value([X, X, X, X], 0, 1, 2, 3) == pytest.approx(1)


def test_random_areas_against_the_definition():
    rng = np.random.default_rng(0)
    features = rng.random((15, 4))
    prefix = product_prefix(torch.tensor(features[None]))
    for _ in range(100):
        start, end = np.sort(rng.uniform(-2, 16, 2))
        edges = (start - rng.uniform(1, 3), start, end, end + rng.uniform(1, 3))
        if end - start < 0.5 or end < 0 or start > 14:
            continue
        found = coherence(prefix, one(*edges), torch.tensor([15])).item()
        assert found == pytest.approx(by_definition(features, *edges), abs=1e-9)


def test_only_a_side_with_a_snippet_beyond_the_action_counts():
    rows = [X, X, Y]
    both = value([Y, *rows], 0, 1, 2, 3)
    assert value(rows, -1, 0, 1, 2) == pytest.approx(1 / np.sqrt(5))  # the end area alone
    assert both == pytest.approx(1 / np.sqrt(5))
    assert value(rows[::-1], 0, 1, 2, 3) == pytest.approx(1 / np.sqrt(5))  # the start area alone
    assert value(rows, -1, 0, 2, 3) == 1  # no side
    assert value(rows, -0.5, 0.9, 2, 3) == 1  # less than a snippet before


def test_empty_features_are_no_perfect_border():
    zero = [0.0, 0.0]
    assert value([zero, zero, X, X, Y], 0, 2, 3, 4) == pytest.approx(
        (1 + 1 / np.sqrt(5)) / 2
    )  # the boundary snippet itself is in the start area
    assert value([X, zero, zero, zero, X], 1, 2, 2, 3) == 1


def test_widths_of_features_do_not_change_the_cost_or_the_value():
    torch.manual_seed(0)
    features = torch.rand(1, 9, 700)
    rotated = features @ torch.linalg.qr(torch.randn(700, 700))[0]
    areas = one(1.3, 2.6, 5.1, 7)
    found = [coherence(product_prefix(x), areas, torch.tensor([9])) for x in (features, rotated)]
    torch.testing.assert_close(*found, rtol=0, atol=1e-5)


def test_a_long_video_of_positive_features_keeps_its_precision():
    rng = np.random.default_rng(0)
    features = rng.random((2600, 8)).astype(np.float32)
    edges = (2500.0, 2501.25, 2502.75, 2504.0)
    found = coherence(
        product_prefix(torch.tensor(features[None])), one(*edges), torch.tensor([2600])
    )
    assert found.item() == pytest.approx(by_definition(features.astype(float), *edges), abs=1e-6)


def test_centered_features():
    rows = [[2.0, 1.0], [4.0, 3.0], [3.0, 5.0], [3.0, 3.0]]
    centered = (np.array(rows) - np.mean(rows, 0)).tolist()
    edges = (0.0, 1.0, 1.0, 2.0)
    assert value(rows, *edges, center=True) == pytest.approx(value(centered, *edges))
    assert value(rows, *edges, center=True) != pytest.approx(value(rows, *edges))


@pytest.mark.parametrize("center", [False, True])
def test_padding_counts_as_nothing(center):
    torch.manual_seed(0)
    x = torch.rand(2, 8, 3)
    mask = torch.arange(8) < torch.tensor([[8], [5]])
    lengths = torch.tensor([8, 5])
    edges = one(1.5, 2.5, 3.25, 4.5)
    both = Areas(*(edge.expand(2, 1, 1) for edge in edges))
    found = coherence(product_prefix(x, mask, center=center), both, lengths)
    alone = coherence(product_prefix(x[1:, :5], center=center), edges, lengths[1:])
    torch.testing.assert_close(found[1:], alone, rtol=0, atol=1e-6)


def test_gradients_against_finite_differences_coherence():
    torch.manual_seed(0)
    features, lengths = torch.rand(2, 12, 5, dtype=torch.float64), torch.tensor([12, 9])
    prefix = product_prefix(features, torch.arange(12) < lengths[:, None])
    anchors = torch.tensor([1.0, 2.0, 4.0])
    shifts = (
        anchors[:, None, None] * (torch.rand(2, 3, 12, 2, dtype=torch.float64) - 0.5)
    ).requires_grad_()

    def total(shifts):
        areas = areas_of(shifts, anchors, anchors.clamp(min=1), lengths)
        return coherence(prefix, areas, lengths)

    assert torch.autograd.gradcheck(total, (shifts,), eps=1e-7, atol=1e-6)


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


def test_no_rows():
    edge = torch.zeros(0, 2, 5)
    areas = Areas(edge, edge, edge, edge, edge == 0)
    passed = torch.zeros(0, 5, dtype=torch.bool)
    assert selected(edge, areas, torch.zeros(0).long(), passed, "contains").shape == (0, 2, 5)
