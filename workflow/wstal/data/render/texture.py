"""Textures: grey patterns in 0..1 and coloured surfaces made of them.

Two disjoint families exist, so that networks pretrained on clips meet new surfaces in the videos.
"""

from __future__ import annotations

import cv2
import numpy as np

CLIP_TEXTURES = ("fractal", "stripes", "checker", "spots")
VIDEO_TEXTURES = ("cells", "weave", "bands", "dabs")


def pattern(name: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw one grey pattern, float32 [height, width], from 0 to 1 (1 and 99 % quantiles).

    Raises KeyError for a name in neither family.
    """
    grey = _PATTERNS[name](rng, height, width).astype(np.float32)
    low, high = np.quantile(grey[::3, ::3], (0.01, 0.99)).tolist()
    return np.clip((grey - low) / max(high - low, 1e-6), 0, 1)


def surface(
    families: tuple[str, ...],
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    mean: float,
    contrast: float,
) -> np.ndarray:
    """Colour a random pattern: float32 RGB [height, width, 3] in 0..1.

    `mean` is the brightness around which the pattern swings by +-contrast / 2. The hue comes
    from a random tint and a second one along the pattern.
    """
    name = families[int(rng.integers(len(families)))]
    grey = pattern(name, rng, height, width) - 0.5
    tint = rng.uniform(-0.12, 0.12, 3)
    slope = rng.uniform(0.75, 1.25, 3)
    tint, slope = tint - tint.mean(), slope / slope.mean()
    colour = mean + tint + contrast * grey[..., None] * slope
    return np.clip(colour, 0.02, 0.98).astype(np.float32)


def _noise(rng: np.random.Generator, height: int, width: int, period: float) -> np.ndarray:
    """Smooth noise with one random value per `period` pixels."""
    rows, columns = int(height / period) + 3, int(width / period) + 3
    coarse = rng.random((rows, columns), dtype=np.float32)
    size = (int(columns * period) + 1, int(rows * period) + 1)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)[:height, :width]


def _fractal(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    period = rng.uniform(14, 26)
    octaves = [0.6**k * _noise(rng, height, width, period / 2**k) for k in range(3)]
    return np.sum(octaves, axis=0)


def _axes(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across a random direction, in pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    along, _ = _axes(rng, height, width)
    bend = 10 * _noise(rng, height, width, 24)
    wave = np.sin(2 * np.pi * (along + bend) / rng.uniform(9, 16))
    return wave + 1.2 * _noise(rng, height, width, 7)


def _checker(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    along, across = _axes(rng, height, width)
    period = rng.uniform(14, 24)
    tiles = np.sin(2 * np.pi * along / period) * np.sin(2 * np.pi * across / period)
    return np.tanh(3 * tiles) + 1.5 * _noise(rng, height, width, 8)


def _spots(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    level = _noise(rng, height, width, rng.uniform(6, 10))
    return np.tanh(6 * (level - 0.5)) + 1.5 * _noise(rng, height, width, 20)


def _cells(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    seeds = np.full((height, width), 255, np.uint8)
    count = max(8, int(height * width / rng.uniform(90, 220)))
    seeds[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    distance, label = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    shade = rng.random(int(label.max()) + 1).astype(np.float32)
    return cv2.GaussianBlur(shade[label] - 0.04 * distance, (0, 0), 0.8)


def _weave(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    along, across = _axes(rng, height, width)
    first, second = rng.uniform(10, 18, 2)
    grid = np.cos(2 * np.pi * along / first) + np.cos(2 * np.pi * across / second)
    return grid + 3 * _noise(rng, height, width, 11)


def _bands(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    level = _noise(rng, height, width, rng.uniform(26, 40))
    return np.sin(2 * np.pi * rng.uniform(4, 7) * level) + 1.2 * _noise(rng, height, width, 6)


def _dabs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    picture = np.full((height, width), 0.5, np.float32)
    for _ in range(int(height * width / 60)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(3, 9)), int(rng.integers(2, 5)))
        angle, shade = float(rng.uniform(0, 180)), float(rng.random())
        cv2.ellipse(picture, centre, axes, angle, 0, 360, shade, -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.9)


_PATTERNS = {
    "fractal": _fractal,
    "stripes": _stripes,
    "checker": _checker,
    "spots": _spots,
    "cells": _cells,
    "weave": _weave,
    "bands": _bands,
    "dabs": _dabs,
}
