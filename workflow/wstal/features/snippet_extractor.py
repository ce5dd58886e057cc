"""A video's features from its pictures or its flow: one network over the snippets of its grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from torch import nn

from wstal.features.extract import i3d_features
from wstal.features.stage_inputs import StageInput, frames_and_fps
from wstal.progress import Within, unseen
from wstal.timegrid import SNIPPET, snippet_count
from wstal.video.frames import open_frames

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
