"""Measure how far features of a lower precision are from float32's, on snippets of a real video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from wstal.base.errors import WstalError
from wstal.features.precision import Verdict, measured_on
from wstal.features.snippets import as_taken, snippets
from wstal.flow.chunks import flow_chunks
from wstal.flow.tvl1_backends.backend import tvl1
from wstal.media.frames import read_frames, read_timeline
from wstal.media.timeline import SNIPPET, snippet_count
from wstal.networks.i3d.inference import EXACT, for_inference
from wstal.networks.weights import UNTRAINED

FPS, BOUND = 25, 20  # of the published I3D features


def sample_snippets(
    path: str | Path, stream: str, most: int, *, short_side: int = 256, crop: int = 224
) -> Iterator[np.ndarray]:
    """Yield the first snippets of a video, at most `most`, as the `i3d_{stream}` stages cut them.

    uint8 RGB `[16, crop, crop, 3]` (stream `rgb`) or int8 codes of TV-L1 flow
    `[16, crop, crop, 2]` (`flow`). Raises MediaError if the video does not decode.
    """
    frames = read_timeline(path, FPS).frame_index[: most * SNIPPET + 1]
    pixels = {"rgb": "rgb", "flow": "gray"}[stream]
    pictures = read_frames(path, frames, pixels=pixels, short_side=short_side)
    if stream == "flow":
        pictures = flow_chunks(pictures, tvl1, bound=BOUND)
    return snippets(pictures, min(most, snippet_count(len(frames))), crop)


@torch.inference_mode()
def judge(
    network: nn.Module,
    weights: str,
    batches: Iterable[np.ndarray],
    precision: str,
    device: torch.device,
) -> Verdict:
    """Compare `precision` with float32 on `batches` of uint8 or int8 snippets `[B, 16, S, S, C]`.

    Raises WstalError for untrained weights, which say nothing about trained ones, and if there
    is no snippet.
    """
    if weights == UNTRAINED:
        raise WstalError("the precision check needs trained weights; these are untrained")
    inputs = [torch.from_numpy(batch) for batch in batches]
    if not inputs:
        raise WstalError("the precision check got no snippet")
    features = []
    for mode in (EXACT, precision):  # one after the other: TF32 is a switch of the process
        fast = for_inference(network, device, mode)
        made = [fast.features(as_taken(fast, x.to(device))) for x in inputs]
        features.append(torch.cat(made).double().cpu())
    exact, found = features
    return Verdict(
        **measured_on(precision, weights, device),
        snippets=len(exact),
        cosine=F.cosine_similarity(found, exact).min().item(),
        relative_error=((found - exact).norm() / exact.norm()).item(),
    )
