"""Frames or flow in, feature rows out: snippets cut, cropped and scaled for their network.

A video's pictures pass through `snippets`, `batches` and `upload` to `snippet_features`;
`snippet_extractor` is all of it, from the files of a video to its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.array_store import Within, open_arrays, unseen
from wstal.base.errors import WstalError
from wstal.base.parallel import read_ahead
from wstal.base.stage import StageInput
from wstal.features.network_stage import frames_and_fps
from wstal.flow.codes import LEVELS
from wstal.media.frames import open_frames
from wstal.media.timeline import SNIPPET, snippet_count

FLOW_CHUNK = 64  # pairs read at a time
Opener = Callable[[StageInput], Iterable[np.ndarray]]


def rgb_opener(short_side: int, interpolation: str) -> Opener:
    """Return the function from a video to chunks of its pictures, uint8 `[n, H, W, 3]`."""
    size = {"short_side": short_side, "interpolation": interpolation}
    return lambda video: open_frames(video.files["frames"], pixels="rgb", **size)


def read_flow(path: str | Path) -> Iterator[np.ndarray]:
    """Yield chunks of int8 flow codes `[n, H, W, 2]` from a flow file, at least one."""
    import hdf5plugin  # noqa: F401  registers the compression of flow files

    with open_arrays(path) as file:
        flow = file["flow"]
        for start in range(0, max(len(flow), 1), FLOW_CHUNK):
            yield flow[start : start + FLOW_CHUNK]


def centre_crop(pictures: np.ndarray, size: int) -> np.ndarray:
    """Return the middle `size` x `size` of `[N, H, W, C]`; an odd margin is larger at the end.

    Raises WstalError if the pictures are smaller.
    """
    height, width = pictures.shape[1:3]
    if min(height, width) < size:
        raise WstalError(
            f"a crop of {size} px does not fit pictures of {width}x{height} px; choose a crop of "
            "at most the recipe's short_side"
        )
    top, left = (height - size) // 2, (width - size) // 2
    return pictures[:, top : top + size, left : left + size]


def snippets(pictures: Iterable[np.ndarray], count: int, crop: int | None) -> Iterator[np.ndarray]:
    """Cut chunks `[n, H, W, C]` into `count` snippets `[16, crop, crop, C]`, or uncropped ones.

    If the pictures end early, the last one is repeated: for the missing last flow, and for a tail
    that the recipe pads. Without any picture (flow of a single frame) the snippets are zeros. At
    least one chunk must come, which may be empty. Pictures after the last snippet are not read.
    """
    chunks = iter(pictures) if crop is None else (centre_crop(chunk, crop) for chunk in pictures)
    waiting = next(chunks, None)
    if waiting is None:
        raise WstalError("no chunk of pictures came for the snippets, not even an empty one")
    last = np.zeros((1, *waiting.shape[1:]), waiting.dtype)
    for _ in range(count):
        while len(waiting) < SNIPPET and (chunk := next(chunks, None)) is not None:
            waiting = np.concatenate([waiting, chunk])
        snippet, waiting = waiting[:SNIPPET], waiting[SNIPPET:]
        if len(snippet):
            last = snippet[-1:]
        yield np.concatenate([snippet, np.repeat(last, SNIPPET - len(snippet), 0)])


def batches(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Stack up to `size` arrays at a time: `[...]` -> `[b, ...]`."""
    batch: list[np.ndarray] = []
    for part in parts:
        batch.append(part)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def upload(batches: Iterable[np.ndarray | Tensor], device: torch.device) -> Iterator[Tensor]:
    """Yield the batches on `device`, read ahead by a thread that is at most two in front.

    They are copied to a GPU from page-locked memory in a separate stream: in the stream that
    computes, a copy would begin only after all work before it.
    """
    if device.type != "cuda":
        yield from read_ahead(torch.as_tensor(batch) for batch in batches)
        return
    # High priority takes the stream from another pool than the graphs that flow records meanwhile:
    # streams of a pool are reused in turn, and a copy in a stream that is recorded is not made.
    copies = torch.cuda.Stream(device, priority=-1)
    for batch, arrived in read_ahead(_sent(batch, device, copies) for batch in batches):
        computing = torch.cuda.current_stream(device)
        computing.wait_event(arrived)
        batch.record_stream(computing)  # its memory was allocated in the other stream
        yield batch


def _sent(
    batch: np.ndarray | Tensor, device: torch.device, copies: torch.cuda.Stream
) -> tuple[Tensor, torch.cuda.Event]:
    with torch.cuda.stream(copies):
        sent = torch.as_tensor(batch).pin_memory().to(device, non_blocking=True)
        return sent, copies.record_event()


def scaled(pictures: Tensor) -> Tensor:
    """Scale pictures to the input of Inception-I3D: float32 in [-1, 1], same shape and device.

    uint8 is RGB, black at -1; int8 is flow codes, the bound at 1.
    """
    if pictures.dtype == torch.int8:
        return pictures.float() / LEVELS
    return pictures.float() * (2 / 255) - 1


def as_taken(network: nn.Module, pictures: Tensor) -> Tensor:
    """Turn pictures `[B, T, H, W, C]` into the input of `network.features`, `[B, C, T, H, W]`.

    They are `scaled`, unless the network does so itself (`takes_codes`).
    """
    x = pictures if getattr(network, "takes_codes", False) else scaled(pictures)
    return x.permute(0, 4, 1, 2, 3)


@torch.inference_mode()
def snippet_features(
    network: nn.Module,
    pictures: Iterable[np.ndarray],
    rows: int,
    *,
    crop: int | None,
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """Run a network over the first `rows` snippets: float32 `[rows, D]`.

    `pictures` are chunks of uint8 RGB `[n, H, W, 3]` or int8 flow `[n, H, W, 2]`. A thread reads
    them while the network computes: at most three batches of snippets and one chunk are in
    memory. They are copied to the device as bytes (`upload`). `network` must be on `device`;
    without `crop` it receives whole pictures.
    """
    out = []
    for group in upload(batches(snippets(pictures, rows, crop), batch), device):
        # In memory the channels are last already, the layout of the fast network. Its output
        # stays on the device, so that nothing waits for the end of a batch.
        out.append(network.features(as_taken(network, group)).float())
    return torch.cat(out).cpu().numpy()


def snippet_extractor(
    network: nn.Module, opener: Opener, tail: str, within: Within = unseen, **options: Any
) -> Callable[[StageInput], np.ndarray]:
    """Return the function from a video (stage `frames`) to its rows `[T, D]`.

    `opener` gives the pictures or the flow of a video, `tail` is the recipe's rule for the last
    snippet; `options` are those of `snippet_features`.
    """

    def extract(video: StageInput) -> np.ndarray:
        rows = snippet_count(frames_and_fps(video.files["frames"])[0], tail)
        pictures = within(video.id, opener(video), rows * SNIPPET)
        return snippet_features(network, pictures, rows, **options)

    return extract
