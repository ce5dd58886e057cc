"""From a video's stage files to its feature rows: one network over bounded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from wstal.features.logmel import snippet_windows
from wstal.features.snippets import as_taken, batches, snippets
from wstal.features.upload import upload

FLOW_CHUNK = 64  # pairs read at a time


@torch.inference_mode()
def i3d_features(
    network: nn.Module,
    pictures: Iterable[np.ndarray],
    rows: int,
    *,
    crop: int | None,
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """Inception-I3D over the first `rows` snippets: float32 `[rows, 1024 * width]`.

    `pictures` are chunks of uint8 RGB `[n, H, W, 3]` or int8 flow `[n, H, W, 2]`. A thread reads
    them while the network computes: at most three batches of snippets and one chunk are in
    memory. They travel to the device as bytes (`upload`). `network` must lie on `device`; without
    `crop` it is given whole pictures.
    """
    out = []
    for group in upload(batches(snippets(pictures, rows, crop), batch), device):
        # The channels are last in memory already, as the fast network has them. What it gives
        # stays on the device: nothing waits for a batch's end.
        out.append(network.features(as_taken(network, group)).float())
    return torch.cat(out).cpu().numpy()


@torch.inference_mode()
def vggish_features(
    network: nn.Module,
    sound: np.ndarray,
    rows: int,
    step: float,
    *,
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """VGGish centred on each of `rows` snippets of `step` seconds: float32 `[rows, 128]`.

    `sound [S]` is 16 kHz mono, int16 or floating point in [-1, 1]; beyond its end is silence.
    """
    if sound.dtype == np.int16:
        sound = sound / np.float32(32768)
    windows = torch.from_numpy(snippet_windows(sound, rows, step))[:, None]
    out = [network(part.to(device)).float().cpu().numpy() for part in windows.split(batch)]
    return np.concatenate(out)


def read_flow(path: str | Path) -> Iterator[np.ndarray]:
    """Chunks of int8 flow codes `[n, H, W, 2]` from a flow stage file, one at least."""
    with h5py.File(path, "r") as file:
        flow = file["flow"]
        for start in range(0, max(len(flow), 1), FLOW_CHUNK):
            yield flow[start : start + FLOW_CHUNK]
