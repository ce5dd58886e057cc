"""ResNet-152: the vector is what the classifier sees of each picture, averaged."""

import torch
from backbone_cases import assert_equal, assert_rows_of_a_clip, snippet, vector_of


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_mean_logits():
    network, vector = vector_of("resnet152", x := snippet(3, 64))
    expected = network(x[0].transpose(0, 1)).mean(0, keepdim=True)
    assert_equal(network.fc(vector), expected)


def test_rows_of_a_clip(tmp_path):
    assert_rows_of_a_clip("resnet152", tmp_path)
