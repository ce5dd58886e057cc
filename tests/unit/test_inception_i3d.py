"""Architecture, shapes and arithmetic of Inception-I3D."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from wstal.errors import WstalError
from wstal.nets.inception_i3d import InceptionI3D


@pytest.mark.parametrize(("channels", "gmac"), [(3, 27.79), (2, 25.58)])
def test_work_and_parameters_are_the_published_networks(channels, gmac):
    with torch.device("meta"):
        network = InceptionI3D(channels).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            network.features(torch.empty(1, channels, 16, 224, 224))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.005)
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters / 1e6 == pytest.approx(12.7, abs=0.03)


@pytest.mark.parametrize(
    ("frames", "size", "steps"), [(16, 224, 1), (17, 224, 2), (64, 224, 7), (16, 112, 1)]
)
def test_shapes(frames, size, steps):
    with torch.device("meta"):
        network = InceptionI3D(3, num_classes=11).eval()
        x = torch.empty(2, 3, frames, size, size)
        assert network.features(x).shape == (2, 1024)
        assert network(x).shape == (2, 11, steps)
        side = -(-size // 32)
        assert network.trunk(x).shape == (2, 1024, steps + 1, side, side)


def test_width_scales_the_feature():
    network = InceptionI3D(2, width=0.25, num_classes=5)
    assert network.feature_size == 256
    assert network.Mixed_5c.b1b.conv3d.weight.shape == (96, 48, 3, 3, 3)


def test_parameter_names_are_the_public_layout():
    names = set(InceptionI3D(3, width=0.125).state_dict())
    mixed = ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]
    units = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
    units += [f"Mixed_{m}.{b}" for m in mixed for b in ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")]
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    expected = {f"{unit}.bn.{part}" for unit in units for part in norm}
    expected |= {f"{unit}.conv3d.weight" for unit in units}
    assert names == expected | {"logits.conv3d.weight", "logits.conv3d.bias"}


def plain_forward(state, x):
    """Inception-I3D written out over its state dict, padding each layer by hand."""

    def same(x, kernel, stride):
        flat = []
        for n, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
            total = max(k - s, 0) if n % s == 0 else max(k - n % s, 0)
            flat += [total // 2, total - total // 2]
        return F.pad(x, flat)

    def unit(name, x, stride=1):
        weight = state[f"{name}.conv3d.weight"]
        x = F.conv3d(same(x, weight.shape[2:], [stride] * 3), weight, stride=stride)
        stats = [state[f"{name}.bn.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
        return F.relu(F.batch_norm(x, *stats, eps=1e-3))

    def pool(x, kernel, stride):
        return F.max_pool3d(same(x, kernel, stride), kernel, stride)

    def mixed(name, x):
        b3 = unit(f"{name}.b3b", pool(x, (3, 3, 3), (1, 1, 1)))
        b1 = unit(f"{name}.b1b", unit(f"{name}.b1a", x))
        b2 = unit(f"{name}.b2b", unit(f"{name}.b2a", x))
        return torch.cat([unit(f"{name}.b0", x), b1, b2, b3], 1)

    x = pool(unit("Conv3d_1a_7x7", x, 2), (1, 3, 3), (1, 2, 2))
    x = unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", x))
    x = pool(x, (1, 3, 3), (1, 2, 2))
    x = mixed("Mixed_3c", mixed("Mixed_3b", x))
    x = pool(x, (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        x = mixed(f"Mixed_4{letter}", x)
    x = pool(x, (2, 2, 2), (2, 2, 2))
    x = mixed("Mixed_5c", mixed("Mixed_5b", x))
    pooled = F.avg_pool3d(x, (2, *x.shape[3:]), stride=1)
    logits = F.conv3d(pooled, state["logits.conv3d.weight"], state["logits.conv3d.bias"])
    return pooled.mean(2).flatten(1), logits.squeeze(-1).squeeze(-1)


@pytest.mark.parametrize("shape", [(16, 224, 224), (18, 112, 80)])
def test_equals_the_network_written_out(shape):
    torch.manual_seed(0)
    network = InceptionI3D(2, width=0.125, num_classes=7).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.05, 0.2)
    x = torch.randn(1, 2, *shape)
    with torch.no_grad():
        features, logits = plain_forward(network.state_dict(), x)
        scale = features.abs().max()
        torch.testing.assert_close(network.features(x) / scale, features / scale, rtol=0, atol=1e-5)
        torch.testing.assert_close(network(x), logits, rtol=1e-4, atol=1e-4 * scale.item())


@pytest.mark.parametrize("shape", [(1, 3, 15, 64, 64), (1, 2, 16, 64, 64)])
def test_refuses_short_snippets_and_other_channels(shape):
    with pytest.raises(WstalError, match="at least 16 frames"):
        InceptionI3D(3, width=0.125)(torch.zeros(shape))
