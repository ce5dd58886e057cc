"""Labelled log-mel examples of rendered sounds, fresh from a seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wstal.data.render.clip import SOUNDS, render_sound
from wstal.features.logmel import log_mel

SECONDS = 0.975  # what 96 log-mel frames cover


def sound_examples(stream: int, first: int, count: int) -> tuple[Tensor, Tensor]:
    """Examples `[count, 1, 96, 64]` and their classes `[count]`, the sounds in turn.

    Example i of `stream` is always the same: a sound at a random level over background noise at
    a lower one, as it lies within a demo video.
    """
    waves, labels = [], []
    for number in range(first, first + count):
        seed = stream * 1_000_000 + number
        rng = np.random.default_rng([stream, number])
        labels.append(number % len(SOUNDS))
        wave = rng.uniform(0.3, 1.0) * render_sound(SOUNDS[labels[-1]], seed, SECONDS)
        noise = render_sound("background", seed + 500_000, SECONDS)
        waves.append(wave + rng.uniform(0.0, 0.6) * noise)
    examples = log_mel(np.stack(waves))
    return torch.from_numpy(examples)[:, None], torch.tensor(labels)
