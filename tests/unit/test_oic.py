import numpy as np
import pytest
import torch
from wstal.losses.areas import Areas, areas_of
from wstal.losses.oic import outer_inner_contrast, proposal_loss


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


def test_gradients_against_finite_differences():
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
