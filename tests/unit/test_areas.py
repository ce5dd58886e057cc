import pytest
import torch
from wstal.losses.areas import Areas, areas_of, covered


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
