"""Snippets are cut, padded, cropped and scaled as the time grid says."""

import numpy as np
import pytest
import torch
from wstal.errors import WstalError
from wstal.features.snippets import as_taken, batches, centre_crop, scaled, snippets


def numbered(count, height=2, width=2, channels=1):
    """Pictures whose every pixel is their index."""
    index = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(index, (count, height, width, channels))


def indices(pictures, count, chunk):
    parts = [pictures[i : i + chunk] for i in range(0, max(len(pictures), 1), chunk)]
    return [s[:, 0, 0, 0].tolist() for s in snippets(iter(parts), count, 2)]


@pytest.mark.parametrize("chunk", [1, 5, 16, 100])
def test_snippets_do_not_overlap_and_the_tail_is_dropped(chunk):
    assert indices(numbered(37), 2, chunk) == [list(range(16)), list(range(16, 32))]


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_a_missing_last_flow_repeats_the_one_before(chunk):
    assert indices(numbered(31), 2, chunk)[1] == [*range(16, 31), 30]


def test_short_and_repeated_tails():
    assert indices(numbered(3), 1, 8) == [[0, 1, 2] + [2] * 13]
    assert indices(numbered(16), 2, 8) == [list(range(16)), [15] * 16]


def test_no_pictures_are_zeros():
    assert indices(numbered(0), 1, 4) == [[0] * 16]
    with pytest.raises(WstalError, match="no pictures"):
        list(snippets(iter([]), 1, 2))


def test_what_lies_beyond_is_not_read():
    def chunks():
        yield numbered(16)
        pytest.fail("read on")

    assert len(list(snippets(chunks(), 1, 2))) == 1


def test_centre_crop():
    pictures = np.arange(5 * 8).reshape(1, 5, 8, 1)
    assert centre_crop(pictures, 2)[0, :, :, 0].tolist() == [[11, 12], [19, 20]]
    assert centre_crop(np.zeros((1, 256, 455, 3)), 224).shape == (1, 224, 224, 3)
    with pytest.raises(WstalError, match="8x5"):
        centre_crop(pictures, 6)


def test_batches():
    sizes = [len(b) for b in batches((np.zeros(3) for _ in range(7)), 3)]
    assert sizes == [3, 3, 1]
    assert list(batches([], 3)) == []


def test_scales():
    pixels = torch.tensor([[0, 255], [51, 204]], dtype=torch.uint8)
    expected = torch.tensor([[-1, 1], [-0.6, 0.6]])
    torch.testing.assert_close(scaled(pixels), expected, rtol=0, atol=1e-6)
    codes = torch.tensor([-127, 0, 127], dtype=torch.int8)
    assert scaled(codes).tolist() == [-1, 0, 1]
    assert scaled(pixels).dtype == scaled(codes).dtype == torch.float32


def test_a_network_gets_scaled_pictures_unless_it_takes_codes():
    pixels = torch.arange(24, dtype=torch.uint8).view(1, 2, 2, 2, 3)
    network = torch.nn.Identity()
    turned = scaled(pixels).permute(0, 4, 1, 2, 3)
    assert torch.equal(as_taken(network, pixels), turned)
    network.takes_codes = True
    assert torch.equal(as_taken(network, pixels), pixels.permute(0, 4, 1, 2, 3))
