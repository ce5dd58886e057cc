"""AVE's published arrays: VGG-19 and VGGish, ten seconds per row of Annotations.txt.

`visual_feature.h5` `[4143, 10, 7, 7, 512]` becomes `rgb` `[10, 512]`, the mean over the picture;
`audio_feature.h5` `[4143, 10, 128]` becomes `audio`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wstal.data.annotations import Annotations
from wstal.data.published import NothingThere
from wstal.errors import WstalError
from wstal.features.importers.published import (
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    files_below,
)

KEY = "avadataset"
FILES = {"rgb": "visual_feature.h5", "audio": "audio_feature.h5"}
PAGE = """visual_feature.h5 (7.7 GB) and audio_feature.h5
   From the README of https://github.com/YapengTian/AVE-ECCV18"""


def find_ave(
    folder: Path, settings: Mapping[str, Any], annotations: Annotations
) -> PublishedFeatures:
    """The videos of the database, each by its row of Annotations.txt.

    Raises WstalError if the arrays have other shapes or fewer rows than the annotations name.
    """
    found = {path.name: path for path in files_below(folder, ".h5")}
    if absent := [FILES[s] for s in settings["order"] if FILES.get(s) not in found]:
        raise NothingThere(f"no {' and no '.join(absent)}")
    files = {stream: found[FILES[stream]] for stream in settings["order"]}
    rows = {video: entry.get("row") for video, entry in annotations.database.items()}
    if not rows or None in rows.values():
        raise WstalError(
            "the layout `ave` needs annotations read from AVE's Annotations.txt (kind: ave), "
            "whose rows number the features"
        )
    for path in files.values():
        _check(path, max(rows.values()))
    videos = [PublishedVideo(v, (), partial(_read, files, row)) for v, row in rows.items()]
    facts = {"order": list(settings["order"]), "pooled": "mean over the 7 x 7 picture"}
    return PublishedFeatures(videos, tuple(files.values()), facts)


def _check(path: Path, last: int) -> None:
    try:
        with h5py.File(path) as file:
            shape = file[KEY].shape
    except (OSError, KeyError) as error:
        raise WstalError(f"{path} has no dataset {KEY!r} ({error}); fetch it again") from error
    if len(shape) < 3 or shape[0] <= last:
        raise WstalError(
            f"{path}: {KEY} has shape {list(shape)}, the annotations name row {last}; "
            "features and Annotations.txt must come from the same release"
        )


def _read(files: Mapping[str, Path], row: int) -> VideoFeatures:
    streams = {}
    for stream, path in files.items():
        with h5py.File(path) as file:
            array = np.asarray(file[KEY][row], dtype=np.float32)
        streams[stream] = array.mean(tuple(range(1, array.ndim - 1))) if array.ndim > 2 else array
    return VideoFeatures(streams)
