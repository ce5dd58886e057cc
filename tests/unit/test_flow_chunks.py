from threading import Semaphore

import numpy as np
import pytest
from textured_motion import sequence
from wstal.flow import chunks as chunks_module
from wstal.flow import tvl1
from wstal.flow.chunks import flow_chunks
from wstal.flow.quantize import decode, encode


def counting_flow(frames):
    """Flow that tells which frames it came from: (k, k + 1) by their gray values."""
    pairs = np.stack([frames[:-1], frames[1:]], axis=-1)
    return pairs.astype(np.float32)


@pytest.mark.parametrize("frames", [2, 16, 17, 18, 33, 50])
@pytest.mark.parametrize("cut", [1, 7, 16, 64])
def test_every_pair_comes_once_whatever_the_chunks(frames, cut):
    video = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None], (frames, 4, 5))
    parts = (video[k : k + cut] for k in range(0, frames, cut))
    chunks = list(flow_chunks(parts, counting_flow, bound=127, pairs=16))
    assert [len(c) for c in chunks[:-1]] == [16] * (len(chunks) - 1)
    flow = np.concatenate(chunks)
    np.testing.assert_array_equal(flow[:, 0, 0, 0], np.arange(frames - 1))
    np.testing.assert_array_equal(flow[:, 0, 0, 1], np.arange(1, frames))


def test_one_frame_gives_an_empty_chunk_and_none_gives_nothing():
    one = list(flow_chunks([np.zeros((1, 6, 8), np.uint8)], tvl1, bound=20))
    assert [c.shape for c in one] == [(0, 6, 8, 2)]
    assert not list(flow_chunks([], tvl1, bound=20))


def test_streaming_changes_no_flow():
    video = sequence(7, 32, 40)
    streamed = np.concatenate(list(flow_chunks([video[:3], video[3:]], tvl1, bound=20, pairs=2)))
    np.testing.assert_array_equal(streamed, encode(tvl1(video), 20))


def test_a_real_clip_gives_opencvs_flow_within_half_a_step(reference):
    from wstal.video.frames import read_frames

    clip = reference / "data/videos/v_Archery_g03_c03.avi"
    size = {"pixels": "gray", "short_side": 96}
    gray = list(read_frames(clip, np.arange(20, 25), chunk=2, **size))
    codes = np.concatenate(list(flow_chunks(gray, tvl1, bound=20)))
    expected = tvl1(np.concatenate(gray), "opencv")
    assert np.abs(expected).max() < 20
    error = np.abs(decode(codes, 20) - expected).mean()
    assert error < 20 / 127 / 2


def test_while_flow_is_computed_all_that_it_takes_next_is_read():
    """A GPU would otherwise wait for the decoder, and the decoder for the GPU."""
    read, pairs = Semaphore(0), 8

    def frames():
        for _ in range(2 * pairs + 1):
            yield np.zeros((1, 4, 4), np.uint8)
            read.release()

    waited = []

    def flow(images):
        if not waited:  # while the first pairs are computed, the frames of the next ones come
            waited.append(all(read.acquire(timeout=2) for _ in range(2 * pairs)))
        return np.zeros((len(images) - 1, 4, 4, 2), np.float32)

    assert [len(codes) for codes in flow_chunks(frames(), flow, bound=20, pairs=pairs)] == [8, 8]
    assert waited == [True]


def test_of_large_frames_fewer_are_given_at_a_time(monkeypatch):
    monkeypatch.setattr(chunks_module, "PIXELS", 40 * 4 * 5)
    video = np.zeros((100, 4, 5), np.uint8)
    made = [len(codes) for codes in flow_chunks([video], counting_flow, bound=127, pairs=64)]
    assert made == [32, 32, 32, 3]
    monkeypatch.setattr(chunks_module, "PIXELS", 1)
    made = [len(codes) for codes in flow_chunks([video[:40]], counting_flow, bound=127, pairs=64)]
    assert made == [16, 16, 7]  # a snippet's at least
