"""X3D-M: the vector is what its classifier sees."""

import torch
from backbone_cases import (
    assert_equal,
    assert_published_layout,
    assert_rows_of_a_clip,
    snippet,
    vector_of,
)


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_probabilities():
    network, vector = vector_of("x3d_m", x := snippet(16, 224))
    assert_equal(network.blocks[-1].proj(vector).softmax(1), network(x))


def test_rows_of_a_clip(tmp_path):
    assert_rows_of_a_clip("x3d_m", tmp_path)


def test_the_layout_is_that_of_the_published_model():
    assert_published_layout("x3d_m")
