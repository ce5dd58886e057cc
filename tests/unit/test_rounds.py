"""Launches shrink to the pairs that go on, end with the last, and never leave one out."""

import pytest
import torch
from triton_device import DEVICE, MARKS
from wstal.flow.rounds import FEW, Rounds, power

pytestmark = MARKS


def ran(lefts, plan, pairs=100, late=False):
    """The launches `(iterations, slots)` where so many pairs are left after each, and the result."""
    left, launches = torch.full((1,), -1, device=DEVICE), []
    after = iter(lefts)

    def launch(iterations, slots):
        launches.append((iterations, slots))
        left.fill_(next(after))

    rounds = Rounds(left, pairs, graphs=False)
    if late and not left.is_cuda:
        seen = []
        rounds._left = lambda number: (seen.append(int(left)), seen[-2] if number else None)[1]
    return rounds.run(launch, plan), launches


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU's look is a round late")
def test_as_many_are_launched_as_go_on_and_none_after_the_last():
    result, launches = ran([60, 33, 17, 0], [30] * 6)
    assert launches == [(30, 100), (30, 64), (30, 64), (30, 32)] and result == 0


def test_a_late_look_launches_more_never_fewer():
    result, launches = ran([40, 12, 3, 0, 0], [30] * 6, late=True)
    assert launches == [(30, 100), (30, 100), (30, 64), (30, 16), (30, FEW)] and result == 0


def test_those_that_go_on_after_the_plan_are_told():
    assert ran([90, 80], [30, 10], late=True) == (100, [(30, 100), (10, 100)])


@pytest.mark.parametrize(("number", "least"), [(1, 1), (2, 2), (3, 4), (64, 64), (65, 128)])
def test_power(number, least):
    assert power(number) == least
