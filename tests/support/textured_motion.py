"""Pairs of rendered frames with texture and smooth, known kinds of motion."""

import cv2
import numpy as np


def texture(height, width, seed):
    """Noise of several grain sizes, 0..255."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for grain in (1.5, 4, 10):
        noise = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), grain)
        total += noise / noise.std()
    return np.clip(128 + 35 * total, 0, 255)


def sequence(frames, height, width, seed=0):
    """uint8 `[frames, height, width]`: a turning, zooming, shifting scene and a patch across it."""
    rng = np.random.default_rng(seed)
    scene = texture(2 * height, 2 * width, seed)
    patch = texture(height // 3, width // 4, seed + 1000)
    turn, zoom = rng.uniform(-0.6, 0.6), 1 + rng.uniform(-0.004, 0.006)
    shift, speed = rng.uniform(-2, 2, 2), rng.uniform(-2.5, 2.5, 2)
    out = []
    for t in range(frames):
        camera = cv2.getRotationMatrix2D((width, height), turn * t, zoom**t)
        camera[:, 2] += shift * t - (width / 2, height / 2)
        frame = cv2.warpAffine(scene, camera, (width, height), borderMode=cv2.BORDER_REFLECT)
        place = np.float32(
            [[1, 0, 0.4 * width + speed[0] * t], [0, 1, 0.3 * height + speed[1] * t]]
        )
        moved = cv2.warpAffine(patch, place, (width, height))
        inside = cv2.warpAffine(np.ones_like(patch), place, (width, height))
        out.append(frame * (1 - inside) + moved * inside)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def pairs(count, height, width):
    """Pairs uint8 `[2, height, width]` out of sequences with different motions."""
    return [sequence(2, height, width, seed) for seed in range(count)]


def end_point_error(a, b):
    """Mean distance in px, per pair: `[N, H, W, 2]` twice -> `[N]`."""
    return np.linalg.norm(np.subtract(a, b), axis=-1).mean((1, 2))
