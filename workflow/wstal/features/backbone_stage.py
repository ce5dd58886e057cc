"""What the stages of backbones other than Inception-I3D compute for one video."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from wstal.features.extract import i3d_features
from wstal.features.stage_inputs import StageInput, frames_and_fps
from wstal.nets.backbone import SnippetNetwork
from wstal.timegrid import snippet_count
from wstal.video.frames import open_frames


def backbone_extractor(
    network: SnippetNetwork, recipe: Mapping[str, Any], device: torch.device
) -> Callable[[StageInput], np.ndarray]:
    """A function from a video (stage `frames`) to `[T, D]`; `recipe` is the backbone's section."""
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    network = network.channels_last().to(device)
    size = {name: recipe[name] for name in ("short_side", "interpolation")}
    settings = {"crop": recipe["crop"], "batch": recipe["batch"], "device": device}

    def extract(video: StageInput) -> np.ndarray:
        frames = video.files["frames"]
        rows = snippet_count(frames_and_fps(frames)[0], recipe["tail"])
        pictures = open_frames(frames, pixels="rgb", **size)
        return i3d_features(network, pictures, rows, **settings)

    return extract
