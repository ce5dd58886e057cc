"""CMCS: one .npz per video and stream, with one or ten crops.

`{video}-rgb.npz` and `{video}-flow.npz` hold `feature`, `[crops, T, 1024]` for I3D and
`[T, crops, 1024, 1, 1]` for UntrimmedNet, and `frame_cnt`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.datasets.annotations import NothingThere
from wstal.features.importers.published import (
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    files_below,
    numbers,
)

MAX_BYTES = 1 << 33  # of one unpacked file
PAGE = """two files per video, <id>-rgb.npz and <id>-flow.npz (or v_<id>-...), in any folders
   From the README of https://github.com/Finspire13/CMCS-Temporal-Action-Localization"""


def find_cmcs(folder: Path, settings: Mapping[str, Any]) -> PublishedFeatures:
    """The videos with a file for each stream; `crop` says what becomes of several crops."""
    files: dict[str, dict[str, Path]] = {}
    for path in files_below(folder, ".npz"):
        name, _, stream = path.stem.rpartition("-")
        if stream in settings["order"]:
            files.setdefault(name, {}).setdefault(stream, path)
    if not files:
        raise NothingThere("no *-rgb.npz and *-flow.npz")
    whole = {n: f for n, f in files.items() if set(f) == set(settings["order"])}
    videos = [_video(name, found, settings["crop"]) for name, found in whole.items()]
    lacking = sorted(set(files) - set(whole))
    return PublishedFeatures(
        videos, (), {"crop": settings["crop"], "lacking_a_stream": lacking[:20]}
    )


def _video(name: str, files: dict[str, Path], crop: str) -> PublishedVideo:
    def read() -> VideoFeatures:
        loaded = {stream: _load(path) for stream, path in files.items()}
        counts = {int(np.ravel(a["frame_cnt"])[0]) for a in loaded.values() if "frame_cnt" in a}
        streams = {s: one_crop(_crops(a, files[s]), crop) for s, a in loaded.items()}
        return VideoFeatures(streams, counts.pop() if len(counts) == 1 else None)

    return PublishedVideo(name, tuple(files.values()), read)


def one_crop(array: np.ndarray, crop: str) -> np.ndarray:
    """`[T, D]` of `[crops, T, D]`: the first, which is the centre, or the mean of all."""
    if crop == "mean":
        return array.mean(0, dtype=np.float32)
    return array[0]


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise WstalError(f"{path} unpacks to over {MAX_BYTES >> 30} GiB; it is not read")
        with np.load(path, allow_pickle=False) as file:
            return {name: numbers(file[name], path) for name in file.files}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise MediaError(f"{path.name} is damaged: {error}") from error
    except ValueError as error:
        raise WstalError(
            f"{path} is refused ({error}); fetch it again from its publisher"
        ) from error


def _crops(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray:
    """`[crops, T, D]` of a file, whichever network made it."""
    found = arrays.get("feature")
    if found is None:
        found = next((a for a in arrays.values() if a.ndim >= 2), np.empty(0))
    if found.ndim == 5 and found.shape[3:] == (1, 1):
        found = found[..., 0, 0].swapaxes(0, 1)
    found = found[None] if found.ndim == 2 else found
    if found.ndim != 3 or not len(found):
        raise WstalError(
            f"{path}: arrays of shapes {[list(a.shape) for a in arrays.values()]}; expected one "
            "of [crops, T, D], called `feature`"
        )
    return found
