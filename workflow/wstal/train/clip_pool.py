"""A pool of rendered clips with their TV-L1 flow, made once and shared by both video streams."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import h5py
import hdf5plugin
import numpy as np

from wstal.data.render.clip import MOTIONS, render_clip
from wstal.flow import tvl1
from wstal.flow.quantize import decode, encode
from wstal.store import create_arrays, holds

FRAMES = 17  # one more than a snippet, so that its last flow is a real one


def pool_key(config: Mapping[str, Any]) -> str:
    """What makes a pool: its configuration, and how renderer and flow answer one probe."""
    probe, flow = make_clip(MOTIONS[0], 0, {"size": 64, "difficulty": 1.0}, config["flow"])
    text = json.dumps(config, sort_keys=True).encode()
    codes = encode(flow, config["bound"])
    return hashlib.sha256(text + probe.tobytes() + codes.tobytes()).hexdigest()


def make_clip(
    motion: str, seed: int, spec: Mapping[str, Any], flow: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """One clip uint8 `[17, S, S, 3]` and its flow float32 `[16, S, S, 2]` in pixels."""
    size = (spec["size"], spec["size"])
    clip = render_clip(motion, seed, frames=FRAMES, size=size, difficulty=spec["difficulty"])
    clip = compressed(clip, seed)
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip])
    return clip, tvl1(gray, **flow)


def write_pool(
    path: str | Path, config: Mapping[str, Any], track: Callable[[Iterable], Iterable] = iter
) -> None:
    """Render the pool of `config` into an HDF5 file unless `path` already holds it.

    `config` has `seed`, `flow` (parameters of TV-L1), `bound` (pixels) and `parts`: name ->
    {clips: per class, size: pixels, difficulty: 0..1}. Each part becomes the datasets
    `{part}_frames` uint8 `[N, 17, S, S, 3]`, `{part}_flow` int8 `[N, 16, S, S, 2]` and
    `{part}_labels` `[N]`, classes in turn. Clips are drawn from seeds no two parts share.
    """
    key = pool_key(config)
    if holds(path, key):
        return
    with create_arrays(path, id="clips", stage="clip_pool", key=key, provenance=config) as file:
        for index, (part, spec) in enumerate(config["parts"].items()):
            size, count = spec["size"], spec["clips"] * len(MOTIONS)
            zstd = hdf5plugin.Zstd(1)
            tails = (FRAMES, size, size, 3), (FRAMES - 1, size, size, 2)
            frames = file.stream(f"{part}_frames", tails[0], np.uint8, chunk_rows=1, **zstd)
            flows = file.stream(f"{part}_flow", tails[1], np.int8, chunk_rows=1, **zstd)
            for number in track(range(count)):
                seed = (config["seed"] * 10 + index) * 1_000_000 + number
                motion = MOTIONS[number % len(MOTIONS)]
                clip, flow = make_clip(motion, seed, spec, config["flow"])
                frames.append(clip[None])
                flows.append(encode(flow, config["bound"])[None])
            file.write(f"{part}_labels", np.arange(count) % len(MOTIONS))


def compressed(clip: np.ndarray, seed: int) -> np.ndarray:
    """`clip [N, H, W, 3]` with the losses of a camera file: JPEG of quality 60 to 95."""
    quality = int(np.random.default_rng(seed).integers(60, 96))
    out = []
    for frame in clip:
        _, code = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        out.append(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
    return np.stack(out)


class ClipPool:
    """Reads batches of a pool."""

    def __init__(self, path: str | Path, bound: float) -> None:
        self._file, self._bound = h5py.File(path, "r"), bound

    def labels(self, part: str) -> np.ndarray:
        """Class index of every clip of a part, `[N]`."""
        return self._file[f"{part}_labels"][()]

    def frames(self, part: str, clips: Iterable[int]) -> np.ndarray:
        """RGB in [-1, 1] of the snippets, float32 `[B, 3, 16, S, S]`."""
        dataset = self._file[f"{part}_frames"]
        rgb = np.stack([dataset[i, : FRAMES - 1] for i in clips])
        return rgb.transpose(0, 4, 1, 2, 3).astype(np.float32) / 127.5 - 1

    def flow(self, part: str, clips: Iterable[int]) -> np.ndarray:
        """Flow over the bound, in [-1, 1], float32 `[B, 2, 16, S, S]`."""
        codes = np.stack([self._file[f"{part}_flow"][i] for i in clips])
        return decode(codes, self._bound).transpose(0, 4, 1, 2, 3) / np.float32(self._bound)
