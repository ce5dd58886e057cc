"""Snippets are cut, padded, cropped and scaled as the time grid says; rows are those of the grid.

Batches arrive whole and in order, also while a GPU computes. Features are those of each snippet
alone, whatever the chunks and batches.
"""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from torch import nn
from wstal.base.errors import WstalError
from wstal.base.stage import join_shards
from wstal.features.rows import RowGrid
from wstal.features.snippets import (
    as_taken,
    batches,
    centre_crop,
    read_flow,
    rgb_opener,
    scaled,
    snippet_extractor,
    snippet_features,
    snippets,
    upload,
)
from wstal.features.vggish_stage import log_mel, snippet_windows, vggish_features
from wstal.media.pictures import Converter
from wstal.networks.i3d.inference import for_inference
from wstal.networks.i3d.network import untrained_i3d
from wstal.networks.vggish import untrained_vggish


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
    with pytest.raises(WstalError, match="no chunk of pictures"):
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


def test_batches_arrive_in_order_with_their_types():
    batches = [np.full((2, 3), 7, np.uint8), torch.full((1, 3), -7, dtype=torch.int8)]
    found = list(upload(batches, torch.device("cpu")))
    assert [x.dtype for x in found] == [torch.uint8, torch.int8]
    assert found[0].eq(7).all() and found[1].eq(-7).all()


def test_what_fails_while_reading_fails_here():
    def broken():
        yield np.zeros(1)
        raise OSError("the file ended")

    found = upload(broken(), torch.device("cpu"))
    next(found)
    with pytest.raises(OSError, match="the file ended"):
        next(found)


@pytest.mark.gpu
def test_copies_beside_work_are_neither_early_nor_late():
    """Each sum is queued behind work that takes longer than the copies do."""
    device = torch.device("cuda")
    batches = (np.full(2**24, number, np.uint8) for number in range(40))
    busy, sums = torch.randn(4096, 4096, device=device), []
    for batch in upload(batches, device):
        busy = (busy @ busy).tanh()
        sums.append(batch.sum(dtype=torch.int64))
    assert [int(total) for total in sums] == [number * 2**24 for number in range(40)]


CPU = torch.device("cpu")


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (2, np.int8)])
def test_i3d(channels, dtype):
    rng = np.random.default_rng(0)
    low, high = (0, 256) if dtype == np.uint8 else (-127, 128)
    pictures = rng.integers(low, high, (50, 40, 36, channels)).astype(dtype)
    network = untrained_i3d(channels, 0.125)
    chunks = (pictures[i : i + 11] for i in range(0, 50, 11))
    settings = {"crop": 32, "batch": 2, "device": CPU}
    features = snippet_features(for_inference(network, CPU), chunks, 3, **settings)
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


@pytest.mark.parametrize("t0", [0.0, 0.24, 1.5, -0.4])
def test_sound_in_groups_is_the_sound_of_all_rows(monkeypatch, t0):
    """Also before and after the sound, where rows hear silence."""
    sound = np.random.default_rng(0).standard_normal(30_000).astype(np.float32) / 10
    settings = {"batch": 2, "device": CPU}
    network = untrained_vggish(0.125)
    whole = vggish_features(network, sound, 23, 0.16, t0, **settings)
    monkeypatch.setattr("wstal.features.vggish_stage.GROUP", 5)
    groups = vggish_features(network, sound, 23, 0.16, t0, **settings)
    np.testing.assert_allclose(groups, whole, rtol=1e-4, atol=1e-6)
    centred = np.pad(sound, (0, 200_000))[round((t0 + 0.16 * 22.5 - 0.48) * 16_000) :][:15_600]
    np.testing.assert_allclose(
        snippet_windows(sound, 1, 0.16, t0, 22)[0], log_mel(centred), rtol=1e-5, atol=1e-5
    )


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
        snippet_features(
            for_inference(network, device), [pictures], 6, crop=32, batch=4, device=device
        )
        for device in (CPU, torch.device("cuda"))
    ]
    np.testing.assert_allclose(*features, rtol=1e-4, atol=1e-5)


SETTINGS = {"crop": 32, "batch": 2, "device": torch.device("cpu")}


def rows_at(tail):
    return lambda fps: RowGrid(fps, tail=tail)


class Brightness(nn.Module):
    def features(self, x):
        return x.mean((2, 3, 4))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Of 40 pictures: two snippets and a half."""
    from backbone_cases import decoded_clip  # with a decoder, which a GPU machine may lack

    (video,), _ = join_shards({"frames": decoded_clip(tmp_path_factory.mktemp("clip"))})
    return video


@pytest.mark.parametrize(("tail", "rows"), [("drop", 2), ("repeat", 3)])
def test_the_grid_of_the_frames_sets_the_rows_of_any_pictures(video, tail, rows):
    flow = np.full((39, 40, 40, 2), 127, np.int8)
    found = snippet_extractor(Brightness(), lambda _: [flow], rows_at(tail), **SETTINGS)(video)
    assert found.shape == (rows, 2) and np.allclose(found, 1)


def test_a_stream_may_have_frames_per_second_of_its_own(video):
    every, second = (
        np.concatenate(list(rgb_opener(32, "bilinear", fps)(video))) for fps in (None, 12.5)
    )
    assert len(every) == 40 and len(second) == 20
    np.testing.assert_array_equal(second, every[::2])
    rows = RowGrid(12.5, 4, stride=4)
    found = snippet_extractor(
        Brightness(), rgb_opener(32, "bilinear", 12.5), lambda fps: rows, **SETTINGS
    )(video)
    expected = scaled(torch.from_numpy(second[4:8, :, 8:40])).mean((0, 1, 2))
    assert len(found) == 5 and np.allclose(found[1], expected, atol=1e-5)


def test_pictures_have_the_recipes_size_and_progress_knows_how_many_come(video):
    opener = rgb_opener(32, "bilinear")
    assert {chunk.shape[1:] for chunk in opener(video)} == {(32, 48, 3)}
    seen = []

    def within(name, pictures, total):
        seen.append((name, total))
        return pictures

    found = snippet_extractor(Brightness(), opener, rows_at("drop"), within, **SETTINGS)(video)
    assert found.shape == (2, 3) and seen == [("clip", 32)]


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    "rows",
    [
        RowGrid(25, 4, every=4, stride=8),
        RowGrid(25, 4, every=3, stride=20),
        RowGrid(25, 2, every=5, stride=4, tail="pad"),
        RowGrid(25, 30, every=4, stride=8),  # longer than the video
        RowGrid(25, 4, stride=16),  # frames between the rows
    ],
    ids=str,
)
def test_frames_that_no_row_sees_are_not_converted(tmp_path, monkeypatch, rows, cached):
    from decoded_videos import Probed, decode_frames  # with a decoder, as above
    from video_clips import write_clip
    from wstal.media.frame_stage import FrameSettings

    clip = write_clip(tmp_path / "clip.mp4", 40, size=(96, 64))
    settings = FrameSettings(cache_frames=cached)
    decode_frames([Probed("clip", clip)], tmp_path / "frames", settings)
    (video,), _ = join_shards({"frames": tmp_path / "frames/shard0.csv"})
    every = snippet_extractor(Brightness(), rgb_opener(32, "bilinear"), lambda _: rows, **SETTINGS)(
        video
    )
    wanted = {frame for row in range(len(every)) for frame in rows.frames(row).clip(0, 39).tolist()}
    count, convert = 0, Converter.__call__

    def counted(self, picture):
        nonlocal count
        count += 1
        return convert(self, picture)

    monkeypatch.setattr(Converter, "__call__", counted)
    for fps in (None, 25.0):
        count, opener = 0, rgb_opener(32, "bilinear", fps)
        make = snippet_extractor(Brightness(), opener, lambda _: rows, skips=True, **SETTINGS)
        np.testing.assert_array_equal(make(video), every)
        assert count == len(wanted) < 40
