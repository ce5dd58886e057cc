"""One joint array per video: ACM-Net and ASM-Loc.

`{train,test}/{video}.npy`, each `[T, 2048]`, RGB then flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.datasets.annotations import NothingThere
from wstal.features.importers.published import (
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    files_below,
    load_array,
    split_joint,
)

PAGE = """the folders train and test with one .npy per video
   From the README of https://github.com/ispc-lab/ACM-Net or of
     https://github.com/boheumd/ASM-Loc"""


def find_acmnet(folder: Path, settings: Mapping[str, Any]) -> PublishedFeatures:
    """The videos whose files lie anywhere below `folder`; of two of one name the first."""
    files: dict[str, Path] = {}
    for path in files_below(folder, ".npy"):
        files.setdefault(path.stem, path)
    if not files:
        raise NothingThere("no .npy file")
    videos = [_video(name, path, settings) for name, path in files.items()]
    return PublishedFeatures(videos, (), {"order": list(settings["order"])})


def _video(name: str, path: Path, settings: Mapping[str, Any]) -> PublishedVideo:
    def read() -> VideoFeatures:
        joint = load_array(path)
        return VideoFeatures(split_joint(joint, settings["order"], settings["dims"], path))

    return PublishedVideo(name, (path,), read)
