"""Which fault of the input explains features: snippets of the video, computed with each fault.

What two feature files show of each other (`wstal.features.compare`) does not tell a wrong order of
colours from a wrong crop. The video and the networks do: some snippets are cut again with one fault
at a time, and the fault whose rows are most like the given ones is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.features.compare import Streams, match_rows
from wstal.features.snippets import centre_crop, scaled
from wstal.flow.codes import LEVELS, flow_chunks
from wstal.flow.tvl1_backends.backend import tvl1
from wstal.media.frames import read_frames, read_timeline
from wstal.media.timeline import SNIPPET, snippet_count

ROWS = 8  # snippets that are computed, spread over the video
LEAST = 3
NONE = "no fault"
ALIKE = 0.5  # centred cosine below which no fault explains the rows
Cut = Callable[[np.ndarray], np.ndarray]  # pictures [N, H, W, C] to the size of the crop
Change = Callable[[np.ndarray], np.ndarray]  # of a snippet [16, S, S, C], uint8 or int8


@dataclass(frozen=True)
class Finding:
    """What explains a stream best: the fault, how well it fits and how much better than others.

    `match` and `plain` are the centred cosines with the fault and without any; `confidence` is the
    share of the runner-up's misfit that the fault explains, 0..1.
    """

    fault: str
    match: float
    plain: float
    confidence: float

    def __str__(self) -> str:
        """Return the finding in one line."""
        if self.match < ALIKE:
            return f"no fault explains these rows (best: {self.fault}, match {self.match:.2f})"
        return (
            f"{self.fault}, confidence {self.confidence:.2f} (match {self.match:.4f}, "
            f"without a fault {self.plain:.4f})"
        )


def examine(
    video: str | Path,
    theirs: Streams,
    networks: Mapping[str, nn.Module],
    *,
    fps: float = 25,
    short_side: int = 256,
    crop: int = 224,
    bound: float = 20,
    rows: int = ROWS,
) -> dict[str, Finding]:
    """Return the fault that explains each stream of `theirs`, `[T, D]`: rgb, flow or both.

    `networks` map a scaled input `[B, C, 16, S, S]` to rows by `features`. Raises WstalError if
    the video has another number of snippets (by more than one), or too few.
    """
    frames = read_timeline(video, fps).frame_index
    count, given = snippet_count(len(frames)), min(map(len, theirs.values()))
    if abs(count - given) > 1:
        raise WstalError(
            f"{video} has {count} snippets, the features {given} rows: is this the video they are "
            "of? If so, correct their frame rate first"
        )
    last = min(count, given) - 2  # the next snippet begins within the video
    if last < LEAST:
        raise WstalError(f"{video} has {count} snippets; at least {LEAST + 2} are needed")
    chosen = np.unique(np.linspace(1, last, min(rows, last)).round().astype(int))
    findings = {}
    for stream in theirs:
        spans = [_pictures(video, frames, row, stream, short_side, bound) for row in chosen]
        rows_given = theirs[stream][chosen]
        matches = {
            fault: match_rows(_features(networks[stream], spans, make), rows_given)
            for fault, make in _faults(stream, crop).items()
        }
        findings[stream] = _conclude(matches)
    return findings


def _conclude(matches: Mapping[str, float]) -> Finding:
    ranked = sorted(matches, key=lambda fault: (-matches[fault], fault != NONE))
    best, second = ranked[:2]
    misfit = max(1 - matches[second], 1e-9)
    gain = (matches[best] - matches[second]) / misfit
    return Finding(best, matches[best], matches[NONE], float(np.clip(gain, 0, 1)))


def _pictures(
    video: str | Path, frames: np.ndarray, row: int, stream: str, short_side: int, bound: float
) -> np.ndarray:
    """Pictures from one before a snippet to one after it: `[18, H, W, 3 or 2]`."""
    first = row * SNIPPET - 1
    span = frames[first : first + SNIPPET + 2 + (stream == "flow")]
    if stream == "rgb":
        return np.concatenate(list(read_frames(video, span, pixels="rgb", short_side=short_side)))
    gray = read_frames(video, span, pixels="gray", short_side=short_side)
    return np.concatenate(list(flow_chunks(gray, tvl1, bound=bound)))


@torch.inference_mode()
def _features(
    network: nn.Module, spans: list[np.ndarray], make: Callable[[np.ndarray], Tensor]
) -> np.ndarray:
    """Rows of the snippets as `make` cuts and scales them: `[N, D]`."""
    inputs = torch.stack([make(span) for span in spans])
    return torch.cat([network.features(x[None]) for x in inputs]).cpu().numpy()


def _faults(stream: str, crop: int) -> dict[str, Callable[[np.ndarray], Tensor]]:
    """The faults by name: functions from the pictures of a span to the network's input."""
    centre = partial(centre_crop, size=crop)
    faults = {
        NONE: _input(centre),
        "one frame late": _input(centre, offset=1),
        "one frame early": _input(centre, offset=-1),
        "crop: top left corner": _input(lambda x: x[:, :crop, :crop]),
        "crop: top right corner": _input(lambda x: x[:, :crop, -crop:]),
        "crop: bottom left corner": _input(lambda x: x[:, -crop:, :crop]),
        "crop: bottom right corner": _input(lambda x: x[:, -crop:, -crop:]),
        "crop: the whole frame, resized": _input(partial(_resized, size=crop)),
        "scaled twice": _input(centre, scale=lambda x: _scaled_again(scaled(x), stream)),
    }
    if stream == "rgb":
        return faults | {
            "mirrored": _input(centre, lambda x: x[:, :, ::-1]),
            "colours: BGR in place of RGB": _input(centre, lambda x: x[..., ::-1]),
            "scaled to 0..1": _input(centre, scale=lambda x: x.float() / 255),
            "not scaled": _input(centre, scale=lambda x: x.float()),
        }
    return faults | {
        "mirrored": _input(centre, _mirrored_flow),
        "flow: sign reversed": _input(centre, lambda x: -np.maximum(x, -LEVELS)),
        "flow: x and y swapped": _input(centre, lambda x: x[..., ::-1]),
        "flow: half the scale": _input(centre, scale=lambda x: scaled(x) / 2),
        "flow: twice the scale": _input(centre, scale=lambda x: (scaled(x) * 2).clamp(-1, 1)),
        "not scaled": _input(centre, scale=lambda x: x.float()),
    }


def _input(
    cut: Cut,
    change: Change = lambda x: x,
    *,
    offset: int = 0,
    scale: Callable[[Tensor], Tensor] = scaled,
) -> Callable[[np.ndarray], Tensor]:
    """Return the function from the pictures of a span to the network's input `[C, 16, S, S]`."""

    def make(span: np.ndarray) -> Tensor:
        snippet = change(cut(span[1 + offset : 1 + offset + SNIPPET]))
        return scale(torch.from_numpy(np.ascontiguousarray(snippet))).permute(3, 0, 1, 2)

    return make


def _scaled_again(x: Tensor, stream: str) -> Tensor:
    return x * (2 / 255) - 1 if stream == "rgb" else x / LEVELS


def _mirrored_flow(x: np.ndarray) -> np.ndarray:
    mirrored = np.maximum(x[:, :, ::-1], -LEVELS)
    return mirrored * np.array([-1, 1], x.dtype)


def _resized(pictures: np.ndarray, size: int) -> np.ndarray:
    resized = [cv2.resize(each.astype(np.float32), (size, size)) for each in pictures]
    return np.rint(np.stack(resized)).astype(pictures.dtype)
