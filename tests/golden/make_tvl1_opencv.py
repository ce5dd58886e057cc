"""Make tvl1_opencv.npz: a few frames and the TV-L1 fields OpenCV computes between them.

With them a machine without OpenCV's contrib modules can check its backends:
`python tests/golden/make_tvl1_opencv.py` (opencv-contrib-python-headless 4.14).
"""

import sys
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "unit"))

from textured_motion import sequence  # noqa: E402

frames = sequence(5, 48, 64, seed=7)
one_scale = cv2.optflow.DualTVL1OpticalFlow_create(nscales=1, warps=1)
full = cv2.optflow.DualTVL1OpticalFlow_create()
pairs = list(zip(frames, frames[1:], strict=False))
np.savez_compressed(
    HERE / "tvl1_opencv.npz",
    frames=frames,
    one_scale=np.stack([one_scale.calc(a, b, None) for a, b in pairs[:2]]),
    full=np.stack([full.calc(a, b, None) for a, b in pairs]).astype(np.float16),
)
