"""From a video's stage files to its feature rows: one network over bounded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from wstal.features.logmel import snippet_windows
from wstal.features.snippets import batches, scaled, snippets
from wstal.read_ahead import read_ahead

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
    memory. They travel to the device as bytes. `network` must lie on `device`; without `crop` it
    is given whole pictures.
    """
    ready = (_loaded(group, device) for group in batches(snippets(pictures, rows, crop), batch))
    out = []
    for group in read_ahead(ready):
        x = scaled(group.to(device, non_blocking=True))
        # The channels are last in memory already, as the fast network has them. What it gives
        # stays on the device: nothing waits for a batch's end.
        out.append(network.features(x.permute(0, 4, 1, 2, 3)).float())
    return torch.cat(out).cpu().numpy()


def _loaded(group: np.ndarray, device: torch.device) -> Tensor:
    """In page-locked memory for a GPU, whose copy then runs beside its work."""
    loaded = torch.from_numpy(group)
    return loaded.pin_memory() if device.type == "cuda" else loaded


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
