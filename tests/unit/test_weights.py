"""Weights load exactly, from the public layout, or are refused by name."""

import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvggish.torchvggish import VGG, make_layers
from wstal.errors import WstalError
from wstal.nets.inception_i3d import InceptionI3D
from wstal.nets.weights import (
    load_i3d,
    load_vggish,
    read_state,
    save_half,
    untrained_i3d,
    untrained_vggish,
)


def public_state(in_channels, classes=400):
    """A state dict as the public checkpoints have it, made without our network's help."""
    generator = torch.Generator().manual_seed(3)
    widths = {
        "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
        "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
        "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
        "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
        "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
        "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
        "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
        "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
        "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
    }
    units = {
        "Conv3d_1a_7x7": (in_channels, 64, 7),
        "Conv3d_2b_1x1": (64, 64, 1),
        "Conv3d_2c_3x3": (64, 192, 3),
    }
    for name, (inputs, b0, b1a, b1b, b2a, b2b, b3b) in widths.items():
        units |= {
            f"{name}.b0": (inputs, b0, 1),
            f"{name}.b1a": (inputs, b1a, 1),
            f"{name}.b1b": (b1a, b1b, 3),
            f"{name}.b2a": (inputs, b2a, 1),
            f"{name}.b2b": (b2a, b2b, 3),
            f"{name}.b3b": (inputs, b3b, 1),
        }
    state = {}
    for name, (inputs, outputs, kernel) in units.items():
        shape = (outputs, inputs, kernel, kernel, kernel)
        state[f"{name}.conv3d.weight"] = torch.randn(shape, generator=generator) * 0.05
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.bn.{part}"] = torch.rand(outputs, generator=generator) + 0.5
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(7)
    state["logits.conv3d.weight"] = torch.randn(classes, 1024, 1, 1, 1, generator=generator)
    state["logits.conv3d.bias"] = torch.randn(classes, generator=generator)
    return state


@pytest.mark.parametrize("in_channels", [2, 3])
def test_public_layout_loads_exactly(tmp_path, in_channels):
    state = public_state(in_channels)
    torch.save(state, tmp_path / "i3d.pt")
    network = load_i3d(tmp_path / "i3d.pt", in_channels)
    assert not network.training
    loaded = network.state_dict()
    assert set(loaded) == set(state)
    for name, value in state.items():
        if "num_batches" not in name:
            assert torch.equal(loaded[name], value), name


def test_stream_of_the_wrong_kind_is_refused_by_key(tmp_path):
    torch.save(public_state(3), tmp_path / "rgb.pt")
    with pytest.raises(WstalError, match=r"rgb.pt: tensor Conv3d_1a_7x7.conv3d.weight .*\[64, 3, "):
        load_i3d(tmp_path / "rgb.pt", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("Mixed_4c.b1a.bn.bias"), "lacks the tensor Mixed_4c.b1a.bn.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "has a tensor extra"),
    ],
)
def test_missing_and_unknown_tensors_are_named(tmp_path, change, message):
    state = InceptionI3D(2, width=0.125).state_dict()
    change(state)
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(WstalError, match=message):
        load_i3d(tmp_path / "net.pt", 2, width=0.125)


def test_vggish_loads_the_public_layout(tmp_path):
    oracle = VGG(make_layers(), postprocess=False)
    torch.save(oracle.state_dict(), tmp_path / "vggish.pth")
    loaded = load_vggish(tmp_path / "vggish.pth").state_dict()
    for name, value in oracle.state_dict().items():
        assert torch.equal(loaded[name], value)


class Hostile:
    def __reduce__(self):
        return (pytest.fail, ("code of a weights file was run",))


def test_files_that_would_run_code_are_refused(tmp_path):
    torch.save({"a": Hostile()}, tmp_path / "hostile.pt")
    with pytest.raises(WstalError, match="other things than tensors.*_Fail"):
        read_state(tmp_path / "hostile.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(WstalError):
        read_state(tmp_path / "plain.pt")


@pytest.mark.parametrize("name", ["damaged.pt", "damaged.safetensors"])
def test_damaged_and_absent_files(tmp_path, name):
    with pytest.raises(WstalError, match="fetch_weights"):
        read_state(tmp_path / name)
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(WstalError, match=name):
        read_state(tmp_path / name)


def test_a_file_of_other_things_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "log.pt")
    with pytest.raises(WstalError, match="plain state dict"):
        read_state(tmp_path / "log.pt")


def test_half_precision_file_is_reproducible_and_loads(tmp_path):
    network = InceptionI3D(2, width=0.125, num_classes=5)
    for name in "ab":
        save_half(tmp_path / f"{name}.safetensors", network, {"seed": 1, "steps": 2})
    first, second = ((tmp_path / f"{n}.safetensors").read_bytes() for n in "ab")
    assert first == second
    loaded = load_i3d(tmp_path / "a.safetensors", 2, width=0.125)
    assert loaded.logits.conv3d.out_channels == 5
    weight = network.Conv3d_2c_3x3.conv3d.weight
    assert torch.equal(loaded.Conv3d_2c_3x3.conv3d.weight, weight.half().float())


def test_single_precision_safetensors(tmp_path):
    network = untrained_vggish(width=0.125)
    save_file(network.state_dict(), tmp_path / "v.safetensors")
    loaded = load_vggish(tmp_path / "v.safetensors", width=0.125).state_dict()
    for name, value in load_file(tmp_path / "v.safetensors").items():
        assert torch.equal(loaded[name], value)


def test_untrained_networks_are_seeded_and_leave_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = untrained_i3d(2, 0.125), untrained_i3d(2, 0.125)
    assert torch.rand(1) == expected
    weights = (n.Mixed_5c.b0.conv3d.weight for n in (one, two))
    assert torch.equal(*weights)
    assert not one.training
