import torch
from wstal.losses.targets import attention_targets


def test_foreground_context_and_background_of_two_videos():
    """A video of classes 0 and 2, and one of class 1; background is last."""
    found = attention_targets(torch.tensor([[1.0, 0, 1], [0, 1, 0]]))
    assert found.tolist() == [
        [[1, 0, 1, 0], [1, 0, 1, 1], [0, 0, 0, 1]],
        [[0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]],
    ]
