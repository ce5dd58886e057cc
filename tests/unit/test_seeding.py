import numpy as np
import torch
from wstal.train.seeding import random_state, restore_random_state, seed_all


def draw(generator):
    return torch.rand(3).tolist(), generator.random(3).tolist()


def test_equal_seeds_give_equal_draws():
    first = draw(seed_all(4))
    assert draw(seed_all(4)) == first
    assert draw(seed_all(5)) != first
    assert np.random.rand() != np.random.rand()


def test_saved_state_continues_the_stream():
    generator = seed_all(0)
    draw(generator)
    state = random_state(generator)
    expected = draw(generator)
    other = seed_all(9)
    restore_random_state(state, other)
    assert draw(other) == expected
