import numpy as np
import pytest
import torch
from wstal.losses.areas import Areas, areas_of
from wstal.losses.coherence import coherence, product_prefix

X, Y = [1.0, 0.0], [0.0, 2.0]


def one(outer_start, start, end, outer_end):
    edges = (
        torch.tensor([[[float(x)]]], dtype=torch.float64)
        for x in (outer_start, start, end, outer_end)
    )
    return Areas(*edges, torch.ones(1, 1, 1, dtype=torch.bool))


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


def test_by_hand():
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


def test_gradients_against_finite_differences():
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
