import numpy as np
import pytest
import torch
from wstal.errors import WstalError
from wstal.flow.raft import load_raft, raft


def test_pictures_are_padded_scaled_and_cropped_back():
    seen = []

    def network(first, second, num_flow_updates):
        seen.append((first, second, num_flow_updates))
        across = torch.arange(first.shape[3]).expand(1, 1, *first.shape[2:])
        return [None, torch.cat([across, -across], 1).float()]

    frames = np.zeros((3, 130, 137), np.uint8)
    frames[1:] = 255
    flow = raft(frames, network=network, iterations=5)
    assert flow.shape == (2, 130, 137, 2)
    np.testing.assert_array_equal(flow[0, 0, :, 0], np.arange(137))
    np.testing.assert_array_equal(flow[0, 0, :, 1], -np.arange(137))
    first, second, updates = seen[0]
    assert first.shape == second.shape == (1, 3, 136, 144)
    assert (first == -1).all() and (second == 1).all()
    assert updates == 5


def test_absent_weights_are_refused_with_the_place_to_get_them():
    with pytest.raises(WstalError, match="https://.*raft_small"):
        load_raft("", "raft_small", "cpu")
    with pytest.raises(WstalError, match="raft_large"):
        load_raft("", "raft_huge", "cpu")


def test_weights_are_loaded_and_used(tmp_path):
    from wstal.nets.torchvision_guard import torchvision

    torch.manual_seed(0)
    made = torchvision.models.optical_flow.raft_small(weights=None)
    torch.save(made.state_dict(), tmp_path / "raft.pth")
    network = load_raft(str(tmp_path / "raft.pth"), "raft_small", "cpu")
    assert not network.training
    flow = raft(np.zeros((2, 40, 50), np.uint8), network=network, iterations=1)
    assert flow.shape == (1, 40, 50, 2)
    assert np.isfinite(flow).all()
