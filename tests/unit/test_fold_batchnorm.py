"""Folding batch norm changes nothing but rounding."""

import torch
from torch import nn
from wstal.nets.fold_batchnorm import fold_batchnorm
from wstal.nets.inception_i3d import InceptionI3D


def network():
    torch.manual_seed(0)
    net = InceptionI3D(3, width=0.125, num_classes=5).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.05, 0.3)
    return net


@torch.no_grad()
def test_folded_features_equal_the_plain_ones():
    net, x = network(), torch.randn(2, 3, 16, 64, 64)
    expected = net.features(x)
    folded = fold_batchnorm(net)
    error = (folded.features(x) - expected).norm() / expected.norm()
    assert error < 1e-5
    assert not any(isinstance(m, nn.BatchNorm3d) for m in folded.modules())


@torch.no_grad()
def test_the_original_is_untouched():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fold_batchnorm(net)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
