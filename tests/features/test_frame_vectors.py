"""A network of single frames sees each frame of a video once; rows are those of whole windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from backbone_cases import decoded_clip, entries
from torch import nn
from wstal.base.array_store import read_arrays
from wstal.base.stage import Job, LoadedNetwork
from wstal.features.backbone_stage import BackboneSettings, BackboneStage
from wstal.features.frame_vectors import frame_means
from wstal.features.rows import RowGrid
from wstal.features.snippets import snippet_features
from wstal.networks.backbone import Built, SnippetNetwork, over_frames

FRAMES = 90
BATCH = 2


class Tower(nn.Module):
    """A small network of pictures; `counts` has how many it saw at a time."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.counts = nn.Conv2d(3, 8, 4, 4), []

    def forward(self, x):
        self.counts.append(len(x))
        return self.convolution(x).tanh().mean((2, 3))


def framewise(**changes):
    entry = replace(entries()["clip_base"], width=8, crop=16, short_side=16, **changes)
    return SnippetNetwork(entry, Built(Tower(), over_frames(lambda net, x: net(x)), 8, ())).eval()


def chunks(count=FRAMES, size=11):
    pictures = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)
    return (pictures[k : k + size] for k in range(0, count, size))


def distinct(rows, count, frames=FRAMES):
    return set(np.concatenate([rows.frames(i) for i in range(count)]).clip(0, frames - 1))


OPTIONS = {"crop": None, "batch": BATCH, "device": torch.device("cpu")}


@pytest.mark.parametrize(
    "rows",
    [
        RowGrid(25, 8, stride=2),
        RowGrid(25, 8, stride=7),
        RowGrid(25, 8, 4, stride=4),
        RowGrid(25, 8, 4, stride=2),  # a row sees the frames between those of the row before
        RowGrid(25, 6, 3, stride=4, tail="repeat"),
        RowGrid(25, 8, 2, stride=3, tail="pad"),
        RowGrid(25, 16, 8, stride=5),  # longer than the video: the last picture is repeated
        RowGrid(25, 30, stride=30, tail="repeat"),
    ],
    ids=str,
)
@pytest.mark.parametrize("frames", [FRAMES, 64, 33])
def test_each_frame_passes_the_network_once_and_rows_are_the_same(rows, frames):
    count, once, again = rows.count(frames), framewise(), framewise()
    found = frame_means(once, chunks(frames), count, rows, **OPTIONS)
    expected = snippet_features(again, chunks(frames), count, rows, **OPTIONS)
    assert found.shape == expected.shape == (count, 8) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert sum(once.network.counts) == len(distinct(rows, count, frames))
    assert max(once.network.counts) <= BATCH * rows.window


def test_rows_without_a_frame_of_their_own_come_too():
    """The pictures fill the batches; the rows after them repeat the last picture."""
    rows = RowGrid(25, 4, stride=2)
    found = frame_means(framewise(), chunks(8), 6, rows, **OPTIONS)
    expected = snippet_features(framewise(), chunks(8), 6, rows, **OPTIONS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"window": 8, "stride": 2}, 40),
        ({"window": 4, "every": 4, "stride": 8}, 10),
        # No frame is shared: whole windows, as before, with the repeated pictures of the last.
        ({"window": 16, "stride": 16, "tail": "repeat"}, 48),
    ],
)
def test_the_stage_shares_frames_where_rows_overlap(tmp_path, changes, seen):
    network = framewise()
    settings = BackboneSettings(
        "untrained", entries()["clip_base"], crop=16, short_side=16, batch=2, **changes
    )
    job = Job("c", tmp_path / "t", network=LoadedNetwork(network, "untrained", "untrained"))
    records = BackboneStage("t", ("frames",)).shard(
        {"frames": decoded_clip(tmp_path)}, settings, job
    )
    rows = read_arrays(tmp_path / "t" / records[0].path)["features"]
    assert len(rows) == RowGrid(25, **changes).count(40)
    assert sum(network.network.counts) == seen


@pytest.mark.parametrize(("batch", "counts"), [(None, [4] * 10), (3, [12, 12, 12, 4])])
def test_a_batch_that_is_not_stated_is_one_snippet_on_a_cpu(tmp_path, batch, counts):
    network = framewise()
    size = {"crop": 16, "short_side": 16, "window": 4, "stride": 4}
    settings = BackboneSettings("untrained", entries()["clip_base"], batch=batch, **size)
    job = Job("c", tmp_path / "t", network=LoadedNetwork(network, "untrained", "untrained"))
    BackboneStage("t", ("frames",)).shard({"frames": decoded_clip(tmp_path)}, settings, job)
    assert network.network.counts == counts


def test_memory_does_not_grow_with_the_video(monkeypatch):
    rows, most = RowGrid(25, 8, 2, stride=3), 0
    from wstal.features import frame_vectors

    def watched(new, vectors, made=frame_vectors.complete_rows):
        nonlocal most
        out = list(made(new, vectors))
        most = max(most, len(vectors), len(new.seen))
        return out

    monkeypatch.setattr(frame_vectors, "complete_rows", watched)
    frame_means(framewise(), chunks(600), rows.count(600), rows, **OPTIONS)
    assert 0 < most <= rows.extent + 4 * BATCH * rows.window
