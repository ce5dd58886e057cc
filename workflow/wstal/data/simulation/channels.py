"""How concepts become feature channels: sparse, non-negative, a little different per video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wstal.data.simulation.evidence import correlated
from wstal.data.simulation.seeding import generator, on_grid


@dataclass(frozen=True)
class Channels:
    """Settings of the channels."""

    density: float  # share of channels that a concept excites
    threshold: float  # subtracted before the rectifier, makes features sparse
    noise: float  # of each channel by itself
    noise_correlation: float
    shift: float  # mean of a video's own offset of each channel
    gain_sd: float  # of the log gain: of each channel, per video
    loudness_sd: float  # of the log gain: of all channels together, per video


class StreamChannels:
    """The channels of one stream; every video's features come from the same excitation."""

    def __init__(self, stream: str, concepts: int, dim: int, channels: Channels, seed: int) -> None:
        self.stream, self.channels, self.seed, self.dim = stream, channels, seed, dim
        rng = generator(seed, "channels", stream, str(dim))
        strength = -np.log(1 - rng.random((concepts, dim)))  # exponential, mean 1
        self.excitation = on_grid(strength * (rng.random((concepts, dim)) < channels.density))

    def features(self, video: str, concepts: np.ndarray) -> np.ndarray:
        """Features float64 `[T, D]` >= 0 of a video's concepts `[T, concepts]`."""
        settings, shape = self.channels, (len(concepts), self.dim)
        rng = generator(self.seed, video, "channels", self.stream, str(self.dim))
        loudness = np.exp(settings.loudness_sd * rng.standard_normal())
        gain = loudness * np.exp(settings.gain_sd * rng.standard_normal(self.dim))
        shift = -settings.shift * np.log(1 - rng.random(self.dim))
        noise = settings.noise * correlated(shape, settings.noise_correlation, rng)
        excited = concepts @ self.excitation + shift + noise - settings.threshold
        return (gain * excited).clip(0)
