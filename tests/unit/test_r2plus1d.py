"""R(2+1)D-18: the vector is what its classifier sees."""

import torch
from backbone_cases import assert_equal, assert_rows_of_a_clip, snippet, vector_of


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits():
    network, vector = vector_of("r2plus1d", x := snippet(16, 48))
    assert_equal(network.fc(vector), network(x))


def test_rows_of_a_clip(tmp_path):
    assert_rows_of_a_clip("r2plus1d", tmp_path)
