"""Frames or flow in, snippet batches out: cut, cropped and scaled as Inception-I3D expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from wstal.errors import WstalError
from wstal.flow.quantize import LEVELS
from wstal.timegrid import SNIPPET


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
