"""AVE's published arrays: VGG-19 and VGGish, ten seconds per row of Annotations.txt.

`visual_feature.h5` `[4143, 10, 7, 7, 512]` becomes `rgb` `[10, 512]`, the mean over the picture;
`audio_feature.h5` `[4143, 10, 128]` becomes `audio`. The 178 training clips of background alone
stand in `visual_feature_noisy.h5` and `audio_feature_noisy.h5`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations, NothingThere
from wstal.features.importers.published import (
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    files_below,
)

KEY = "avadataset"
FILES = {"rgb": "visual_feature.h5", "audio": "audio_feature.h5"}
PAGE = """visual_feature.h5 (7.7 GB) and audio_feature.h5, and for the background clips of training
   visual_feature_noisy.h5 and audio_feature_noisy.h5 (without them: choices: {background_clips:
   leave_out}). From https://github.com/YapengTian/AVE-ECCV18, README and data/"""


def find_ave(
    folder: Path, settings: Mapping[str, Any], annotations: Annotations
) -> PublishedFeatures:
    """The videos of the database, each by its row of Annotations.txt.

    Raises WstalError if the arrays have other shapes or fewer rows than the annotations name.
    """
    found = {path.name: path for path in files_below(folder, ".h5")}
    files = _files(found, FILES, settings["order"])
    clips = {v: e["row"] for v, e in annotations.database.items() if e.get("features_only")}
    rows = {v: e.get("row") for v, e in annotations.database.items() if v not in clips}
    if not rows or None in rows.values():
        raise WstalError(
            "the layout `ave` needs annotations read from AVE's Annotations.txt (kind: ave), "
            "whose rows number the features"
        )
    parts = [(files, rows)]
    if clips:
        noisy = {stream: name.replace(".h5", "_noisy.h5") for stream, name in FILES.items()}
        parts.append((_files(found, noisy, settings["order"]), clips))
    videos = []
    for paths, numbers in parts:
        for path in paths.values():
            _check(path, max(numbers.values()))
        videos += [PublishedVideo(v, (), partial(_read, paths, row)) for v, row in numbers.items()]
    used = tuple(path for paths, _ in parts for path in paths.values())
    facts = {"order": list(settings["order"]), "pooled": "mean over the 7 x 7 picture"}
    return PublishedFeatures(videos, used, facts)


def _files(
    found: Mapping[str, Path], names: Mapping[str, str], order: list[str]
) -> dict[str, Path]:
    """The file of each stream."""
    if absent := [names[stream] for stream in order if names.get(stream) not in found]:
        raise NothingThere(f"no {' and no '.join(absent)}")
    return {stream: found[names[stream]] for stream in order}


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
