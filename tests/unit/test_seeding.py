import numpy as np
import pytest
import torch
from wstal.errors import WstalError
from wstal.train.seeding import random_state, restore_random_state, seed_all


def draw(generator):
    return torch.rand(3).tolist(), generator.random(3).tolist()


def test_equal_seeds_give_equal_draws():
    first = draw(seed_all(4))
    assert draw(seed_all(4)) == first
    assert draw(seed_all(5)) != first
    assert np.random.rand() != np.random.rand()


def test_convolutions_on_a_gpu_are_deterministic(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    seed_all(0)
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


def test_saved_state_continues_the_stream():
    generator = seed_all(0)
    draw(generator)
    state = random_state(generator)
    expected = draw(generator)
    other = seed_all(9)
    restore_random_state(state, other)
    assert draw(other) == expected


class OnGpu:
    """A tensor that is anywhere but on the CPU until asked."""

    def __init__(self, tensor):
        self.tensor = tensor

    def cpu(self):
        return self.tensor


def test_states_on_a_gpu_are_restored_as_cpu_tensors(monkeypatch):
    generator, given = seed_all(0), []
    state = random_state(generator)
    expected = draw(generator)
    cards = [torch.arange(16, dtype=torch.uint8), torch.ones(16, dtype=torch.uint8)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.extend)
    moved = {**state, "torch": OnGpu(state["torch"]), "cuda": [OnGpu(card) for card in cards]}
    restore_random_state(moved, generator)
    assert draw(generator) == expected
    assert len(given) == 2 and all(map(torch.equal, given, cards))


@pytest.mark.parametrize("visible", [0, 1, 3])
def test_another_number_of_gpus_is_refused_and_nothing_is_set(monkeypatch, visible):
    generator = seed_all(0)
    state = random_state(generator) | {"cuda": [torch.zeros(16, dtype=torch.uint8)] * 2}
    draw(generator)
    expected = random_state(generator)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    with pytest.raises(WstalError, match=f"saved with 2 GPUs, {visible} are visible"):
        restore_random_state(state, generator)
    assert torch.equal(torch.get_rng_state(), expected["torch"])


def test_a_run_that_used_no_gpu_saves_no_state_of_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert random_state(seed_all(0))["cuda"] == []
