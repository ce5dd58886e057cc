"""Features are the network's over each snippet alone, whatever the chunks and batches."""

import h5py
import numpy as np
import pytest
import torch
from wstal.features.extract import i3d_features, read_flow, vggish_features
from wstal.features.logmel import snippet_windows
from wstal.nets.i3d_inference import for_inference
from wstal.nets.weights import untrained_i3d, untrained_vggish

CPU = torch.device("cpu")


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (2, np.int8)])
def test_i3d(channels, dtype):
    rng = np.random.default_rng(0)
    low, high = (0, 256) if dtype == np.uint8 else (-127, 128)
    pictures = rng.integers(low, high, (50, 40, 36, channels)).astype(dtype)
    network = untrained_i3d(channels, 0.125)
    chunks = (pictures[i : i + 11] for i in range(0, 50, 11))
    settings = {"crop": 32, "batch": 2, "device": CPU}
    features = i3d_features(for_inference(network, CPU), chunks, 3, **settings)
    assert features.shape == (3, 128) and features.dtype == np.float32
    middle = pictures[16:32, 4:36, 2:34].astype(np.float32)
    middle = middle / 127.5 - 1 if channels == 3 else middle / 127
    with torch.no_grad():
        expected = network.features(torch.from_numpy(middle.transpose(3, 0, 1, 2))[None])[0]
    np.testing.assert_allclose(features[1], expected, rtol=1e-4, atol=1e-5)


def test_vggish_int16_and_float_sounds_agree():
    rng = np.random.default_rng(0)
    sound = (rng.standard_normal(40_000) * 3000).astype(np.int16)
    network = untrained_vggish(0.125)
    settings = {"batch": 2, "device": CPU}
    features = vggish_features(network, sound, 4, 0.64, **settings)
    assert features.shape == (4, 128) and features.dtype == np.float32
    floating = sound / np.float32(32768)
    again = vggish_features(network, floating, 4, 0.64, **settings)
    np.testing.assert_array_equal(features, again)
    windows = torch.from_numpy(snippet_windows(floating, 4, 0.64))[:, None]
    with torch.no_grad():
        np.testing.assert_allclose(features, network(windows), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 64, 130])
def test_flow_is_read_in_chunks(tmp_path, count):
    flow = np.random.default_rng(0).integers(-127, 128, (count, 4, 5, 2)).astype(np.int8)
    with h5py.File(tmp_path / "flow.h5", "w") as file:
        file["flow"] = flow
    chunks = list(read_flow(tmp_path / "flow.h5"))
    assert len(chunks) == max(1, -(-count // 64))
    np.testing.assert_array_equal(np.concatenate(chunks), flow)


@pytest.mark.gpu
@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (2, np.int8)])
def test_i3d_on_a_gpu_equals_the_cpu(channels, dtype):
    rng = np.random.default_rng(0)
    low, high = (0, 256) if dtype == np.uint8 else (-127, 128)
    pictures = rng.integers(low, high, (100, 40, 36, channels)).astype(dtype)
    network = untrained_i3d(channels, 0.125)
    features = [
        i3d_features(for_inference(network, device), [pictures], 6, crop=32, batch=4, device=device)
        for device in (CPU, torch.device("cuda"))
    ]
    np.testing.assert_allclose(*features, rtol=1e-4, atol=1e-5)
