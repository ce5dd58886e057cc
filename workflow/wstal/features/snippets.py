"""Frames or flow in, snippet batches out: cut, cropped and scaled as Inception-I3D expects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.array_store import Within, unseen
from wstal.base.errors import WstalError
from wstal.base.parallel import read_ahead
from wstal.features.logmel import snippet_windows
from wstal.features.shard import StageInput, frames_and_fps
from wstal.flow.definition import LEVELS
from wstal.media.frames import open_frames
from wstal.media.timeline import SNIPPET, snippet_count


def centre_crop(pictures: np.ndarray, size: int) -> np.ndarray:
    """The middle `size` x `size` of `[N, H, W, C]`; an odd margin leaves the larger part after.

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
    """Cut chunks `[n, H, W, C]` into `count` snippets `[16, crop, crop, C]`, or whole ones.

    Where the pictures end early the last one is repeated: the one flow that always lacks, and
    the tail that a recipe pads. Without any picture (flow of a single frame) they are zeros. At
    least one chunk must come, which may be empty. What lies beyond the snippets is not read.
    """
    chunks = iter(pictures) if crop is None else (centre_crop(chunk, crop) for chunk in pictures)
    waiting = next(chunks, None)
    if waiting is None:
        raise WstalError("no pictures and not even an empty chunk came for the snippets")
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


def scaled(pictures: Tensor) -> Tensor:
    """What Inception-I3D takes, float32 in [-1, 1], shape and device kept.

    uint8 is RGB, black at -1; int8 is flow codes, the bound at 1.
    """
    if pictures.dtype == torch.int8:
        return pictures.float() / LEVELS
    return pictures.float() * (2 / 255) - 1


def as_taken(network: nn.Module, pictures: Tensor) -> Tensor:
    """Pictures `[B, T, H, W, C]` as `network.features` takes them, `[B, C, T, H, W]`.

    They are `scaled`, unless the network says that it does so itself (`takes_codes`).
    """
    x = pictures if getattr(network, "takes_codes", False) else scaled(pictures)
    return x.permute(0, 4, 1, 2, 3)


# FOLDED Batches on their way to the device, read ahead and copied beside its work.


def upload(batches: Iterable[np.ndarray | Tensor], device: torch.device) -> Iterator[Tensor]:
    """The batches on `device`, produced by a thread that runs at most two ahead.

    To a GPU they travel from page-locked memory in a stream of their own: in the stream that
    computes, a copy would begin only when the work before it has ended.
    """
    if device.type != "cuda":
        yield from read_ahead(torch.as_tensor(batch) for batch in batches)
        return
    # Of another pool than graphs are recorded on, by flow that is computed meanwhile: streams are
    # handed out in turn, and a copy in a stream that is being recorded would not be made.
    copies = torch.cuda.Stream(device, priority=-1)
    for batch, arrived in read_ahead(_sent(batch, device, copies) for batch in batches):
        computing = torch.cuda.current_stream(device)
        computing.wait_event(arrived)
        batch.record_stream(computing)  # its memory belongs to the other stream
        yield batch


def _sent(
    batch: np.ndarray | Tensor, device: torch.device, copies: torch.cuda.Stream
) -> tuple[Tensor, torch.cuda.Event]:
    with torch.cuda.stream(copies):
        sent = torch.as_tensor(batch).pin_memory().to(device, non_blocking=True)
        return sent, copies.record_event()


# FOLDED From a video's stage files to its feature rows: one network over bounded batches.

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


# FOLDED A video's features from its pictures or its flow: one network over the snippets of its grid.

Opener = Callable[[StageInput], Iterable[np.ndarray]]


def rgb_opener(recipe: Mapping[str, Any]) -> Opener:
    """A function from a video to chunks of its pictures, in the size of a section of the recipe."""
    size = {name: recipe[name] for name in ("short_side", "interpolation")}
    return lambda video: open_frames(video.files["frames"], pixels="rgb", **size)


def snippet_extractor(
    network: nn.Module, opener: Opener, tail: str, within: Within = unseen, **settings: Any
) -> Callable[[StageInput], np.ndarray]:
    """A function from a video (stage `frames`) to `[T, D]` of what `opener` reads of it.

    `tail` is the recipe's rule for the last snippet; `settings` goes to `i3d_features`.
    """

    def extract(video: StageInput) -> np.ndarray:
        rows = snippet_count(frames_and_fps(video.files["frames"])[0], tail)
        pictures = within(video.id, opener(video), rows * SNIPPET)
        return i3d_features(network, pictures, rows, **settings)

    return extract
