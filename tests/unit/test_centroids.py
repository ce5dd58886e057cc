import numpy as np
import torch
from wstal.models.centroids import class_centroids


def test_a_class_is_the_mean_of_its_videos_means():
    rows = torch.tensor([[1.0], [3.0], [10.0], [10.0], [10.0], [7.0]])
    labels = torch.tensor([[1.0, 0, 0], [1.0, 1.0, 0], [0, 1.0, 0]])
    found = class_centroids(rows, np.array([2, 3, 1]), labels)
    everything = 41 / 6
    expected = [(2 + 10) / 2, (10 + 7) / 2, everything, everything]  # the third has no video
    assert torch.allclose(found[:, 0], torch.tensor(expected))


def test_a_loop_over_random_videos_agrees():
    rng = np.random.default_rng(0)
    lengths, labels = rng.integers(1, 9, 12), rng.integers(0, 2, (12, 4))
    videos = [rng.normal(size=(n, 5)) for n in lengths]
    rows = torch.from_numpy(np.concatenate(videos))
    found = class_centroids(rows, lengths, torch.from_numpy(labels).double())
    for c in range(4):
        own = [video.mean(0) for video, label in zip(videos, labels, strict=True) if label[c]]
        np.testing.assert_allclose(found[c], np.mean(own, 0))
    np.testing.assert_allclose(found[4], rows.mean(0))
