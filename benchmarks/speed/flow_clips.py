"""Gray frames on which optical flow is measured: the beginnings of real clips, or rendered ones.

Examples (from a program beside this one):
  videos = real_videos(Path("clips"), 4, 340, 256) or rendered_videos(4, 340, 256)
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

CLIPS = (
    "v_Archery_g03_c03.avi",
    "R6llTwEh07w.mp4",
    "SOX5yA1l24A.mp4",
    "TrumanShow_wave_f_nm_np1_fr_med_26.avi",
)
MORE = ("WUzgd7C1pWA.mp4", "demo.mp4", "v_GGSY1Qvo990.mp4", "BjCEufrlXm4.mp4", "nasa_13013.mp4")
Video = np.ndarray  # uint8 [pairs + 1, H, W]


def real_videos(
    folder: Path, pairs: int, width: int, height: int, names: tuple[str, ...] = CLIPS
) -> list[Video]:
    """Return the beginnings of those clips that exist and are long enough, gray."""
    videos = []
    for name in names:
        clip = cv2.VideoCapture(str(folder / name))
        pictures = [picture for ok, picture in (clip.read() for _ in range(20 + pairs + 1)) if ok]
        gray = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in pictures[-pairs - 1 :]]
        if len(gray) == pairs + 1:
            videos.append(np.stack([cv2.resize(image, (width, height)) for image in gray]))
    return videos


def rendered_videos(pairs: int, width: int, height: int) -> list[Video]:
    """Return textures that rotate, zoom and shift."""
    rng, videos = np.random.default_rng(0), []
    for _ in CLIPS:
        noise = rng.normal(size=(height, width)).astype(np.float32)
        scene = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1.5, 4, 10))
        scene = np.clip(128 + 50 * scene / scene.std(), 0, 255).astype(np.uint8)
        motion = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-1, 1), 1.004)
        motion[:, 2] += rng.uniform(-4, 4, 2)
        step, camera, frames = np.vstack([motion, [0, 0, 1]]), np.eye(3), []
        for _ in range(pairs + 1):  # each from the first frame: repeated warping would blur
            edge = cv2.BORDER_REFLECT
            frames.append(cv2.warpAffine(scene, camera[:2], (width, height), borderMode=edge))
            camera = step @ camera
        videos.append(np.stack(frames))
    return videos
