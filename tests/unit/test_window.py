import numpy as np
import pytest
import torch
from wstal.losses.window import gaussian, mean_over_snippets, uniform, windowed_mean


def by_loops(x, weights):
    half, out = len(weights) // 2, np.zeros_like(x)
    for t in range(len(x)):
        near = [i for i in range(t - half, t + half + 1) if 0 <= i < len(x)]
        share = sum(weights[i - t + half] for i in near)
        out[t] = sum(weights[i - t + half] * x[i] for i in near) / share * weights.sum()
    return out


def test_gaussian_of_the_default_window():
    expected = [0.054489, 0.244201, 0.402620, 0.244201, 0.054489]
    np.testing.assert_allclose(gaussian(4, 1.0), expected, atol=1e-6)
    printed = gaussian(4, 1.0, normalize=False)
    assert printed[2] == pytest.approx(0.2) and printed.sum() == pytest.approx(0.4967, abs=1e-4)
    assert uniform(4).tolist() == pytest.approx([0.2] * 5)


@pytest.mark.parametrize(
    "weights", [gaussian(4, 1.0), gaussian(2, 0.7, normalize=False), uniform(6)]
)
def test_means_are_those_of_the_definition_and_padding_is_no_neighbour(weights):
    torch.manual_seed(0)
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 4:] = False
    kernel = weights.double()
    found = windowed_mean(x, kernel, mask)
    np.testing.assert_allclose(found[0], by_loops(x[0].numpy(), kernel.numpy()), atol=1e-12)
    np.testing.assert_allclose(found[1, :4], by_loops(x[1, :4].numpy(), kernel.numpy()), atol=1e-12)
    np.testing.assert_allclose(windowed_mean(x, kernel)[0], found[0], atol=1e-12)


def test_a_constant_is_its_own_mean():
    x = torch.full((1, 3, 2), 0.3)
    torch.testing.assert_close(windowed_mean(x, gaussian(4, 1.0)), x)


def test_each_video_weighs_the_same_whatever_its_length():
    x = torch.tensor([[1.0, 1.0, 1.0, 1.0], [4.0, 0.0, 9.0, 9.0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    assert mean_over_snippets(x, mask).item() == 1.5
    assert mean_over_snippets(x).item() == pytest.approx(x.mean().item())
