"""I3D-R50: every second frame is seen; the vector is what the classifier sees."""

import torch
from backbone_cases import (
    assert_equal,
    assert_published_layout,
    assert_rows_of_a_clip,
    snippet,
    vector_of,
)


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits():
    network, vector = vector_of("i3d_r50", x := snippet(16, 224))
    assert_equal(network.blocks[-1].proj(vector), network(x[:, :, ::2]))


def test_rows_of_a_clip(tmp_path):
    assert_rows_of_a_clip("i3d_r50", tmp_path)


def test_the_layout_is_that_of_the_published_model():
    assert_published_layout("i3d_r50")
