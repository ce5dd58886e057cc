"""SlowFast-R50: two pathways of one snippet; the vector is what the classifier sees."""

import torch
from backbone_cases import (
    assert_equal,
    assert_published_layout,
    assert_rows_of_a_clip,
    snippet,
    vector_of,
)
from wstal.nets.backbones.slowfast_r50 import pathways


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits():
    """At the 32 frames that the published head pools over."""
    network, vector = vector_of("slowfast_r50", x := snippet(32, 224))
    assert_equal(network.blocks[-1].proj(vector), network(pathways(x)))


def test_slow_frames_are_those_of_training():
    slow, fast = pathways(torch.arange(16.0)[None, None, :, None, None])
    assert slow.flatten().tolist() == [0, 5, 10, 15] and fast.shape[2] == 16
    slow, _ = pathways(torch.arange(32.0)[None, None, :, None, None])
    assert slow.flatten().tolist() == [0, 4, 8, 13, 17, 22, 26, 31]


def test_rows_of_a_clip(tmp_path):
    assert_rows_of_a_clip("slowfast_r50", tmp_path)


def test_the_layout_is_that_of_the_published_model():
    assert_published_layout("slowfast_r50")
