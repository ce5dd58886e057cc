import pytest
import torch
from wstal.errors import WstalError
from wstal.models.fusion import Descriptor, build_fusion

NAMES = ("ccm", "add", "concat", "ssma", "se")


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_gradients_reach_every_parameter(name):
    fusion = build_fusion(name, (6, 6))
    fused = fusion(torch.rand(2, 9, 6), torch.rand(2, 9, 6))
    assert fused.rgb.shape == fused.flow.shape == (2, 9, 6)
    assert fused.joint.shape == (2, 9, fusion.joint_dim)
    if name not in ("add", "concat"):  # these two have nothing to learn
        sum(part.square().sum() for part in fused).backward()
    assert all(p.grad is not None for p in fusion.parameters())


@pytest.mark.parametrize("name", [n for n in NAMES if n != "add"])
def test_streams_of_different_widths(name):
    fused = build_fusion(name, (6, 4))(torch.rand(2, 9, 6), torch.rand(2, 9, 4))
    assert (fused.rgb.shape[-1], fused.flow.shape[-1]) == (6, 4)


@pytest.mark.parametrize("main", ["global", "local"])
@pytest.mark.parametrize("aux", ["global", "local"])
def test_consensus_by_hand(main, aux):
    fusion = build_fusion("ccm", (3, 3), main=main, aux=aux).eval()
    rgb, flow = torch.rand(1, 5, 3), torch.rand(1, 5, 3)
    gate = torch.sigmoid(fusion.rgb.main(rgb) * fusion.rgb.aux(flow))
    fused = fusion(rgb, flow)
    torch.testing.assert_close(fused.rgb, gate * rgb)
    torch.testing.assert_close(fused.joint, torch.cat([fused.rgb, fused.flow], -1))
    assert gate.shape[1] == (1 if (main, aux) == ("global", "global") else 5)


def test_simple_fusions():
    rgb, flow = torch.rand(1, 5, 3), torch.rand(1, 5, 3)
    assert torch.equal(build_fusion("add", (3, 3))(rgb, flow).joint, rgb + flow)
    assert torch.equal(build_fusion("concat", (3, 3))(rgb, flow).joint[..., 3:], flow)


def test_squeeze_and_excitation_gates_a_channel_alike_at_all_times():
    rgb, flow = torch.rand(1, 5, 32) + 0.1, torch.rand(1, 5, 32) + 0.1
    ratio = build_fusion("se", (32, 32))(rgb, flow).rgb / rgb
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert ratio.min() > 0 and ratio.max() < 1


def test_the_gate_of_squeeze_and_excitation_starts_as_every_other_layer_does():
    gate = build_fusion("se", (512, 512)).gate
    for layer, channels in ((gate[0], 1024), (gate[2], 64)):
        bound = (6 / channels) ** 0.5  # He: gain sqrt 2, uniform
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_ssma_gates_each_position_and_halves_the_width():
    fusion = build_fusion("ssma", (32, 32)).eval()
    rgb, flow = torch.rand(1, 9, 32) + 0.1, torch.rand(1, 9, 32) + 0.1
    fused = fusion(rgb, flow)
    ratio = fused.rgb / rgb
    assert (ratio - ratio[:, :1]).abs().max() > 1e-4
    assert ratio.min() > 0 and ratio.max() < 1
    assert fusion.joint_dim == 32


def test_the_papers_bare_descriptors_are_linear():
    layer, x = Descriptor(4, 4, "local", bare=True), torch.randn(1, 6, 4)
    torch.testing.assert_close(layer(2 * x) - layer(x), layer(x) - layer(0 * x), atol=1e-5, rtol=0)


def test_mistakes_are_named():
    with pytest.raises(WstalError, match="'bilinear' is not one of ccm, add"):
        build_fusion("bilinear", (4, 4))
    with pytest.raises(WstalError, match="equal width, got 4 and 6"):
        build_fusion("add", (4, 6))
    with pytest.raises(WstalError, match="'middle' is not one of global, local"):
        build_fusion("ccm", (4, 4), main="middle")
