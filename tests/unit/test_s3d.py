"""S3D: the vector is what its classifier sees."""

import torch
from backbone_cases import assert_equal, assert_rows_of_a_clip, snippet, vector_of


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits():
    network, vector = vector_of("s3d", x := snippet(16, 224))
    assert_equal(network.classifier(vector[..., None, None, None]).flatten(1), network(x))


def test_rows_of_a_clip(tmp_path):
    assert_rows_of_a_clip("s3d", tmp_path)
