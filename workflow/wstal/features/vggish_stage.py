"""The stage `vggish`: VGGish of the sound around each snippet of a video.

Sound becomes log-mel examples on the time grid of the video snippets, by the recipe of AudioSet
(Hershey et al. 2017): 16 kHz mono in [-1, 1], periodic Hann windows of 25 ms every 10 ms,
magnitudes of a 512-point transform, 64 HTK mel bands from 125 to 7500 Hz, log(mel + 0.01).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt
from scipy.fft import rfft
from torch import nn

from wstal.base.array_store import read_arrays
from wstal.base.stage import Job, LoadedNetwork, StageInput
from wstal.features.network_stage import NetworkStage, video_frames
from wstal.features.rows import RowSettings
from wstal.networks.vggish import load_postprocess, load_vggish, untrained_vggish
from wstal.networks.weights import UNTRAINED, WeightFile, identify

RATE = 16_000
WINDOW, HOP, TRANSFORM = 400, 160, 512
BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
LOG_OFFSET = 0.01
EXAMPLE_FRAMES = 96
EXAMPLE_SECONDS = 0.96
GROUP = 4096  # rows whose examples are in memory at a time: 100 MB
_CHUNK = 256  # frames transformed at a time: they fit into the CPU cache


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


@cache
def mel_matrix() -> np.ndarray:
    """Return the weights of the mel bands on the transform's bins, float64 `[257, 64]`.

    Triangles are linear in mel, not in hertz; the constant bin has weight 0 (HTK).
    """
    bins = _mel(np.linspace(0.0, RATE / 2, TRANSFORM // 2 + 1))[:, None]
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(0)
    weights[0] = 0.0
    return weights


def log_mel(sound: np.ndarray) -> np.ndarray:
    """Return log-mel frames of `sound [..., S]`, float32 `[..., 1 + (S - 400) // 160, 64]`.

    The sound is at 16 kHz. Incomplete frames at the end are left out, as in torchvggish; a sound
    shorter than one window has no frames.
    """
    sound = np.asarray(sound, np.float32)
    if sound.shape[-1] < WINDOW:
        return np.empty((*sound.shape[:-1], 0, BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, WINDOW, axis=-1)[..., ::HOP, :]
    out = np.empty((*frames.shape[:-1], BANDS), np.float32)
    # float64: the log would amplify the rounding of a loud tone in silent bands (2e-4).
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / WINDOW * np.arange(WINDOW))
    for start in range(0, frames.shape[-2], _CHUNK):
        part = slice(start, start + _CHUNK)
        magnitude = np.abs(rfft(frames[..., part, :] * hann, TRANSFORM))
        out[..., part, :] = np.log(magnitude @ mel_matrix() + LOG_OFFSET)
    return out


def snippet_windows(
    sound: np.ndarray, rows: int, step: float, t0: float = 0.0, first: int = 0
) -> np.ndarray:
    """Return one VGGish example for each of `rows` rows from row `first` on: `[rows, 96, 64]`.

    Example l is the 0.96 s centred on `t0 + step * (l + 0.5)` seconds of `sound [S]` at 16 kHz,
    with zeros beyond its ends. With a step of 0.96 s these are torchvggish's own examples.
    """
    samples = (EXAMPLE_FRAMES - 1) * HOP + WINDOW
    centres = np.round((t0 + (np.arange(first, first + rows) + 0.5) * step) * RATE).astype(np.int64)
    starts = centres - round(EXAMPLE_SECONDS / 2 * RATE)
    out = np.empty((rows, EXAMPLE_FRAMES, BANDS), np.float32)
    if not rows:
        return out
    begin, end = int(starts[0]), int(starts[-1]) + samples
    part = np.asarray(sound[max(0, begin) : max(0, end)], np.float32)
    before = min(max(0, -begin), end - begin)
    padded = np.pad(part, (before, end - begin - before - len(part)))
    starts = starts - begin
    if step <= EXAMPLE_SECONDS and not ((starts - starts[0]) % HOP).any():
        # As at 25 fps: neighbouring examples share frames.
        frames = log_mel(padded[starts[0] : starts[-1] + samples])
        for row, first in enumerate((starts - starts[0]) // HOP):
            out[row] = frames[first : first + EXAMPLE_FRAMES]
        return out
    for first in range(0, rows, _CHUNK // EXAMPLE_FRAMES):
        part = slice(first, first + _CHUNK // EXAMPLE_FRAMES)
        out[part] = log_mel(np.stack([padded[s : s + samples] for s in starts[part]]))
    return out


@dataclass(frozen=True)
class VggishSettings(RowSettings):
    """Section `vggish` of a feature recipe; a row hears 0.96 s, centred on its window."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)
    ADDED: ClassVar[Mapping[str, Any]] = {**RowSettings.ADDED, "window": 16, "stride": 16}

    weights: str = "vggish"  # a name in workflow/reference/weights/sources.yaml, or untrained
    width: Annotated[float, Gt(0)] = 1.0  # of the hidden layers; the published weights have 1.0
    # post: ends in a ReLU, as the public PyTorch port; pre: as Google's original
    activation: Literal["pre", "post"] = "post"
    # Whitened principal components; pca8: in 8 bits, as AudioSet's own features.
    postprocess: Literal["none", "pca", "pca8"] = "none"
    pca: str = "vggish_pca"  # the parameters of the components: a name in sources.yaml
    batch: Annotated[int, Ge(1)] = 32  # examples at a time


class VggishStage(NetworkStage):
    """128 numbers a snippet; T is that of I3D. A video without a sound track is silence."""

    name = "vggish"
    settings = VggishSettings
    inputs = ("frames", "audio")

    def weights(self, settings: VggishSettings) -> dict[str, str]:
        """Return the names of the network's weights and of the postprocess's parameters."""
        named = {"weights": settings.weights}
        return named if settings.postprocess == "none" else named | {"pca": settings.pca}

    def load(
        self, settings: VggishSettings, files: Mapping[str, str], sources: Mapping[str, WeightFile]
    ) -> LoadedNetwork:
        """Load VGGish, followed by its postprocess; raises as `identify` and `load_vggish`."""
        weights, options = files["weights"], (settings.width, settings.activation)
        if weights == UNTRAINED:
            network, identity = untrained_vggish(*options), UNTRAINED
        else:
            identity = identify(weights, sources)
            network = load_vggish(weights, *options)
        if settings.postprocess != "none":
            identity += " " + identify(files["pca"], sources)
            network = nn.Sequential(network, load_postprocess(files["pca"], settings.postprocess))
        return LoadedNetwork(network, weights, identity)

    def extractor(self, settings: VggishSettings, job: Job) -> Callable[[StageInput], np.ndarray]:
        """Return the function from a video to its rows `[T, 128]`."""
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32
        device = torch.device(job.device)
        network = job.network.network.to(device, memory_format=torch.channels_last)
        network = network.requires_grad_(False)

        def extract(video: StageInput) -> np.ndarray:
            frames, rows = video_frames(video.files["frames"], self.rows_at(settings))
            sound = read_arrays(video.files["audio"], ["sound"])["sound"]
            options = {"batch": settings.batch, "device": device}
            grid = rows.count(frames), rows.step, rows.t0
            return vggish_features(network, sound, *grid, **options)

        return extract


@torch.inference_mode()
def vggish_features(
    network: nn.Module,
    sound: np.ndarray,
    rows: int,
    step: float,
    t0: float = 0.0,
    *,
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """Run VGGish on the sound around each of `rows` rows of `step` seconds: `[rows, 128]`.

    `sound [S]` is 16 kHz mono, int16 or floating point in [-1, 1]; after its end is silence. The
    result is float32.
    """
    if sound.dtype == np.int16:
        sound = sound / np.float32(32768)
    out = []
    for first in range(0, rows, GROUP):
        group = snippet_windows(sound, min(GROUP, rows - first), step, t0, first)
        windows = torch.from_numpy(group)[:, None]
        out += [network(part.to(device)).float().cpu().numpy() for part in windows.split(batch)]
    return np.concatenate(out)


STAGES = {"vggish": VggishStage()}
