"""The stage `vggish`: VGGish of the sound around each snippet of a video."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import nn

from wstal.base.array_store import read_arrays
from wstal.base.stage import Job, LoadedNetwork, StageInput
from wstal.features.logmel import snippet_windows
from wstal.features.network_stage import NetworkStage, frames_and_fps
from wstal.media.timeline import snippet_count, snippet_step
from wstal.networks.vggish import load_postprocess, load_vggish, untrained_vggish
from wstal.networks.weights import UNTRAINED, WeightFile, identify


@dataclass(frozen=True)
class VggishSettings:
    """Section `vggish` of a feature recipe."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)

    weights: str = "vggish"  # a name in workflow/reference/weights/sources.yaml, or untrained
    width: Annotated[float, Gt(0)] = 1.0  # of the hidden layers; the published weights have 1.0
    # post: ends in a ReLU, as the public PyTorch port; pre: as Google's original
    activation: Literal["pre", "post"] = "post"
    tail: Literal["drop", "repeat"] = "drop"  # as i3d's, so that both have the same T
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
            frames, fps = frames_and_fps(video.files["frames"])
            rows, step = snippet_count(frames, settings.tail), snippet_step(fps)
            sound = read_arrays(video.files["audio"], ["sound"])["sound"]
            options = {"batch": settings.batch, "device": device}
            return vggish_features(network, sound, rows, step, **options)

        return extract


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
    """Run VGGish on the sound around each of `rows` snippets of `step` seconds: `[rows, 128]`.

    `sound [S]` is 16 kHz mono, int16 or floating point in [-1, 1]; after its end is silence. The
    result is float32.
    """
    if sound.dtype == np.int16:
        sound = sound / np.float32(32768)
    windows = torch.from_numpy(snippet_windows(sound, rows, step))[:, None]
    out = [network(part.to(device)).float().cpu().numpy() for part in windows.split(batch)]
    return np.concatenate(out)


STAGES = {"vggish": VggishStage()}
