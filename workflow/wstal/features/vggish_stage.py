"""What the vggish stage computes for one video."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from wstal.features.extract import vggish_features
from wstal.features.stage_inputs import StageInput, frames_and_fps
from wstal.store import read_arrays
from wstal.timegrid import snippet_count, snippet_step


def vggish_extractor(
    network: nn.Module, recipe: Mapping[str, Any], device: torch.device
) -> Callable[[StageInput], np.ndarray]:
    """A function from a video (stages `frames`, `audio`) to `[T, 128]`, T as for I3D.

    `recipe` is the vggish section. A video without a sound track is heard as silence; its
    status says so.
    """
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    network = network.to(device, memory_format=torch.channels_last).requires_grad_(False)

    def extract(video: StageInput) -> np.ndarray:
        frames, fps = frames_and_fps(video.files["frames"])
        rows, step = snippet_count(frames, recipe.get("tail", "drop")), snippet_step(fps)
        sound = read_arrays(video.files["audio"], ["sound"])["sound"]
        return vggish_features(network, sound, rows, step, batch=recipe["batch"], device=device)

    return extract
