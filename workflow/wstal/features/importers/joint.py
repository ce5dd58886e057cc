"""Layouts whose arrays hold all videos of a dataset.

`wtalc` (W-TALC, CO2-Net, HAM-Net): one .npy file, an object array with one `[T, 2048]` per video,
RGB then flow, in the order of the videoname.npy of the annotation set published with it.

`ave`: VGG-19 and VGGish features, ten seconds per row of Annotations.txt. `visual_feature.h5`
`[4143, 10, 7, 7, 512]` becomes `rgb` `[10, 512]`, the mean over the picture; `audio_feature.h5`
`[4143, 10, 128]` becomes `audio`. The 178 training clips that show background alone have rows in
`visual_feature_noisy.h5` and `audio_feature_noisy.h5`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from wstal.base.errors import WstalError
from wstal.base.restricted_pickle import read_object_array
from wstal.datasets.annotations import Annotations
from wstal.datasets.published_sets import FilesMissing, as_text, expand_fetched
from wstal.features.importers.published import (
    ImportSettings,
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    check_numbers,
    files_below,
    split_joint,
)

NAMES = "videoname.npy"
MAX_BYTES = 1 << 36  # of the joint array


def find_wtalc(folder: Path, settings: ImportSettings, labels: Sequence[Path]) -> PublishedFeatures:
    """Find the videos of the joint array in `folder`; `labels` are the dataset's label files.

    Raises FilesMissing if the array or the names are missing, WstalError if there are several
    joint arrays or another number of names.
    """
    joint = [path for path in files_below(folder, ".npy") if "feature" in path.name.lower()]
    names = [path for path in files_below(folder, NAMES) if path.name == NAMES]
    names += [path for path in expand_fetched(labels) if path.name == NAMES]
    if not joint or not names:
        raise FilesMissing("no *Features.npy" if not joint else f"no {NAMES}")
    if len(joint) > 1:
        raise WstalError(
            f"{len(joint)} joint arrays below {folder}: {', '.join(p.name for p in joint)}; "
            "keep one, or put each into a folder named like its recipe"
        )
    array = read_object_array(joint[0], max_bytes=MAX_BYTES, arrays=True)
    order = [as_text(name) for name in np.ravel(read_object_array(names[0]))]
    if len(array) != len(order):
        raise WstalError(
            f"{joint[0]} has {len(array)} videos, {names[0]} names {len(order)}; "
            "both must come from the same set"
        )
    videos = [
        PublishedVideo(name, (), partial(_read_element, array, index, joint[0], settings))
        for index, name in enumerate(order)
    ]
    return PublishedFeatures(videos, (joint[0], names[0]), {"order": list(settings.order)})


def _read_element(
    array: np.ndarray, index: int, path: Path, settings: ImportSettings
) -> VideoFeatures:
    element = check_numbers(array[index], path)
    if array.dtype == object:
        array[index] = None  # each video is read once; the file is larger than most memories
    return VideoFeatures(split_joint(element, settings.order, settings.dims, path))


KEY = "avadataset"
AVE_FILES = {"rgb": "visual_feature.h5", "audio": "audio_feature.h5"}
BACKGROUND_FILES = {"rgb": "visual_feature_noisy.h5", "audio": "audio_feature_noisy.h5"}


def find_ave(folder: Path, settings: ImportSettings, annotations: Annotations) -> PublishedFeatures:
    """Find the videos of `annotations`, each by its row of Annotations.txt.

    Raises FilesMissing for a missing array, WstalError if the arrays have other shapes, or fewer
    rows than the annotations name.
    """
    found = {path.name: path for path in files_below(folder, ".h5")}
    files = _stream_files(found, AVE_FILES, settings.order)
    clips = {v: e["row"] for v, e in annotations.database.items() if e.get("features_only")}
    rows = {v: e.get("row") for v, e in annotations.database.items() if v not in clips}
    if not rows or None in rows.values():
        raise WstalError(
            "the layout `ave` needs annotations read from AVE's Annotations.txt (kind: ave), "
            "whose rows number the features"
        )
    parts = [(files, rows)]
    if clips:
        parts.append((_stream_files(found, BACKGROUND_FILES, settings.order), clips))
    videos = []
    for paths, numbers in parts:
        for path in paths.values():
            _check_rows(path, max(numbers.values()))
        videos += [
            PublishedVideo(video, (), partial(_read_row, paths, row))
            for video, row in numbers.items()
        ]
    used = tuple(path for paths, _ in parts for path in paths.values())
    facts = {"order": list(settings.order), "pooled": "mean over the 7 x 7 picture"}
    return PublishedFeatures(videos, used, facts)


def _stream_files(
    found: Mapping[str, Path], names: Mapping[str, str], order: Sequence[str]
) -> dict[str, Path]:
    if absent := [
        names.get(stream, f"array of {stream}")
        for stream in order
        if names.get(stream) not in found
    ]:
        raise FilesMissing(f"no {' and no '.join(absent)}")
    return {stream: found[names[stream]] for stream in order}


def _check_rows(path: Path, last: int) -> None:
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


def _read_row(files: Mapping[str, Path], row: int) -> VideoFeatures:
    streams = {}
    for stream, path in files.items():
        with h5py.File(path) as file:
            array = np.asarray(file[KEY][row], dtype=np.float32)
        streams[stream] = array.mean(tuple(range(1, array.ndim - 1))) if array.ndim > 2 else array
    return VideoFeatures(streams)
