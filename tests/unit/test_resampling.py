import torch
from wstal.models.resampling import at_snippets, uniform_snippets


def test_uniform_snippets_skip_or_repeat():
    assert uniform_snippets(10, 4).tolist() == [0, 2, 5, 7]
    assert uniform_snippets(3, 7).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert uniform_snippets(5, 5).tolist() == [0, 1, 2, 3, 4]


def test_repeated_snippets_get_the_mean_of_their_samples():
    sampled = torch.tensor([[1.0, 2, 3, 10, 20, 5, 7]])
    assert at_snippets(sampled, uniform_snippets(3, 7), 3).tolist() == [[2.0, 15.0, 6.0]]


def test_snippets_passed_over_lie_between_their_neighbours():
    index = torch.tensor([0, 2, 5, 7])
    sampled = torch.tensor([[[0.0], [4.0], [1.0], [9.0]]])
    found = at_snippets(sampled, index, 10)[0, :, 0]
    expected = [0, 2, 4, 3, 2, 1, 5, 9, 9, 9]
    assert torch.allclose(found, torch.tensor(expected, dtype=found.dtype))


def test_what_sums_to_one_still_does():
    torch.manual_seed(0)
    for count in (4, 9, 30):
        sampled = torch.rand(2, count, 3).softmax(-1)
        back = at_snippets(sampled, uniform_snippets(11, count), 11)
        assert back.shape == (2, 11, 3) and torch.allclose(back.sum(-1), torch.ones(2, 11))
