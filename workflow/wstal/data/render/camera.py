"""A hand-held camera: slow, smooth, never on whole pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Two slow sines per degree of freedom (x, y, roll, log zoom): [4, 2] each."""

    amplitude: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray

    def state(self, seconds: float) -> tuple[float, float, float, float]:
        """Offset x, y in scene units, roll in radians, zoom factor."""
        angle = 2 * np.pi * self.frequency * seconds + self.phase
        x, y, roll, zoom = (self.amplitude * np.sin(angle)).sum(axis=1)
        return x, y, roll, np.exp(zoom)

    def matrix(self, seconds: float, scale: float, width: int, height: int) -> np.ndarray:
        """Affine map [3, 3] from the scene (origin at the centre) to pixels of the picture."""
        x, y, roll, zoom = self.state(seconds)
        cosine, sine = scale * zoom * np.cos(roll), scale * zoom * np.sin(roll)
        linear = np.array([[cosine, -sine], [sine, cosine]])
        offset = np.array([(width - 1) / 2, (height - 1) / 2]) - linear @ (x, y)
        return np.vstack([np.column_stack([linear, offset]), (0, 0, 1)])


def draw_camera(rng: np.random.Generator, strength: float = 1.0) -> Camera:
    """Draw a camera; `strength` 0 stands on a tripod, 1 moves at up to about 0.6 px per frame."""
    size = np.array([[5.0], [4.0], [0.025], [0.03]]) * strength
    return Camera(
        amplitude=size * rng.uniform(0.2, 0.6, (4, 2)),
        frequency=np.stack([rng.uniform(0.05, 0.15, 4), rng.uniform(0.15, 0.4, 4)], axis=1),
        phase=rng.uniform(0, 2 * np.pi, (4, 2)),
    )
