"""W-TALC's joint array, also CO2-Net's and HAM-Net's: one .npy for all videos of a dataset.

An object array with one `[T, 2048]` per video, RGB then flow, in the order of videoname.npy of
the annotation set published with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wstal.base.errors import WstalError
from wstal.base.restricted_pickle import read_object_array
from wstal.datasets.annotations import NothingThere, listed
from wstal.features.importers.published import (
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    files_below,
    numbers,
    split_joint,
)

NAMES = "videoname.npy"
MAX_BYTES = 1 << 36
PAGE = """one file such as Thumos14reduced-I3D-JOINTFeatures.npy or
     ActivityNet1.2-I3D-JOINTFeatures.npy, and videoname.npy of the annotation set beside it
     (Thumos14reduced-Annotations, ActivityNet1.2-Annotations); that set may also lie with the
     dataset's label files.
   From the README of https://github.com/sujoyp/wtalc-pytorch, or
     https://github.com/harlanhong/MM2021-CO2-Net"""


def find_wtalc(
    folder: Path, settings: Mapping[str, Any], labels: Sequence[Path]
) -> PublishedFeatures:
    """The videos of the joint array in `folder`; `labels` are the dataset's label files.

    Raises WstalError if there are several joint arrays, or names of another number.
    """
    joint = [path for path in files_below(folder, ".npy") if "feature" in path.name.lower()]
    names = [path for path in files_below(folder, NAMES) if path.name == NAMES]
    names += [path for path in listed(labels) if path.name == NAMES]
    if not joint or not names:
        raise NothingThere("no *Features.npy" if not joint else f"no {NAMES}")
    if len(joint) > 1:
        raise WstalError(
            f"{len(joint)} joint arrays below {folder}: {', '.join(p.name for p in joint)}; "
            "keep one, or put each into a folder named like its recipe"
        )
    array = read_object_array(joint[0], max_bytes=MAX_BYTES, arrays=True)
    order = [_text(name) for name in np.ravel(read_object_array(names[0]))]
    if len(array) != len(order):
        raise WstalError(
            f"{joint[0]} has {len(array)} videos, {names[0]} names {len(order)}; "
            "both must come from the same set"
        )
    videos = [
        PublishedVideo(name, (), _Element(array, index, joint[0], settings))
        for index, name in enumerate(order)
    ]
    return PublishedFeatures(videos, (joint[0], names[0]), {"order": list(settings["order"])})


class _Element:
    """Reads one element of the joint array, and lets go of it."""

    def __init__(
        self, array: np.ndarray, index: int, path: Path, settings: Mapping[str, Any]
    ) -> None:
        self.array, self.index, self.path, self.settings = array, index, path, settings

    def __call__(self) -> VideoFeatures:
        element = numbers(self.array[self.index], self.path)
        if self.array.dtype == object:
            self.array[self.index] = None
        return VideoFeatures(
            split_joint(element, self.settings["order"], self.settings["dims"], self.path)
        )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
