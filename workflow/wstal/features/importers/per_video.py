"""Layouts with files of their own for each video.

| layout | files | used by |
|---|---|---|
| `basnet` | `{train,test}/{rgb,flow}/{video}.npy`, each `[T, 1024]` | BaS-Net, STPN, UM, CoLA |
| `streams` | `{video}_{stream}.npy`, each `[T, D]` | this project, video_features |
| `acmnet` | `{train,test}/{video}.npy`, `[T, 2048]`, RGB then flow | ACM-Net, ASM-Loc |
| `cmcs` | `{video}-{stream}.npz` with one or ten crops | CMCS |
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.datasets.published_sets import FilesMissing
from wstal.features.importers.published import (
    EXAMPLES,
    ImportSettings,
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    check_numbers,
    files_below,
    load_array,
    split_joint,
)

MAX_BYTES = 1 << 33  # of one unpacked .npz file


def find_basnet(folder: Path, settings: ImportSettings) -> PublishedFeatures:
    """Find the videos that have a file for each stream.

    The folder above a file names its stream; the folders above that are free. Videos that lack a
    stream are named in the facts. Raises FilesMissing if no file is there.
    """
    streams: dict[str, dict[str, Path]] = {name: {} for name in settings.order}
    twice = []
    for path in files_below(folder, ".npy"):
        known = streams.get(path.parent.name.lower())
        if known is not None and known.setdefault(path.stem, path) != path:
            twice.append(path.stem)
    if not any(streams.values()):
        raise FilesMissing(f"no folder {' or '.join(streams)} with .npy files")
    return _files_per_stream(streams, twice)


def find_streams(folder: Path, settings: ImportSettings) -> PublishedFeatures:
    """Find the videos that have a file for each stream, in any folders.

    File names are turned back into ids as `wstal.base.array_store.safe_name` makes them. An id
    that was too long for a file name keeps the shortened name, which contains a `~`. Videos that
    lack a stream are named in the facts. Raises FilesMissing if no file is there.
    """
    streams: dict[str, dict[str, Path]] = {name: {} for name in settings.order}
    twice = []
    for path in files_below(folder, ".npy"):
        name, _, stream = path.stem.rpartition("_")
        name = name if "~" in name else unquote(name)
        if name and stream in streams and streams[stream].setdefault(name, path) != path:
            twice.append(name)
    if not any(streams.values()):
        raise FilesMissing(f"no file {' or '.join(f'*_{name}.npy' for name in streams)}")
    return _files_per_stream(streams, twice)


def _files_per_stream(
    streams: Mapping[str, Mapping[str, Path]], twice: list[str]
) -> PublishedFeatures:
    """The videos with a file of every stream; `streams` maps stream -> video -> file."""
    names = list(dict.fromkeys(name for known in streams.values() for name in known))
    whole = [name for name in names if all(name in known for known in streams.values())]
    videos = []
    for name in whole:
        files = {stream: known[name] for stream, known in streams.items()}
        videos.append(PublishedVideo(name, tuple(files.values()), partial(_read_streams, files)))
    lacking = sorted(set(names) - set(whole))
    facts = {"lacking_a_stream": lacking[:EXAMPLES], "twice": twice[:EXAMPLES]}
    return PublishedFeatures(videos, (), facts)


def _read_streams(files: Mapping[str, Path]) -> VideoFeatures:
    return VideoFeatures({stream: load_array(path) for stream, path in files.items()})


def find_acmnet(folder: Path, settings: ImportSettings) -> PublishedFeatures:
    """Find the videos with a joint array, in any folders; of two of one name, the first.

    Raises FilesMissing if no file is there.
    """
    files: dict[str, Path] = {}
    for path in files_below(folder, ".npy"):
        files.setdefault(path.stem, path)
    if not files:
        raise FilesMissing("no .npy file")
    videos = [
        PublishedVideo(name, (path,), partial(_read_joint, path, settings))
        for name, path in files.items()
    ]
    return PublishedFeatures(videos, (), {"order": list(settings.order)})


def _read_joint(path: Path, settings: ImportSettings) -> VideoFeatures:
    return VideoFeatures(split_joint(load_array(path), settings.order, settings.dims, path))


def find_cmcs(folder: Path, settings: ImportSettings) -> PublishedFeatures:
    """Find the videos that have an .npz file for each stream, in any folders.

    A file holds `feature`, `[crops, T, 1024]` for I3D or `[T, crops, 1024, 1, 1]` for
    UntrimmedNet, and `frame_cnt`. Raises FilesMissing if no file is there.
    """
    files: dict[str, dict[str, Path]] = {}
    for path in files_below(folder, ".npz"):
        name, _, stream = path.stem.rpartition("-")
        if stream in settings.order:
            files.setdefault(name, {}).setdefault(stream, path)
    if not files:
        raise FilesMissing("no *-rgb.npz and *-flow.npz")
    whole = {name: own for name, own in files.items() if set(own) == set(settings.order)}
    videos = [
        PublishedVideo(name, tuple(own.values()), partial(_read_crops, own, settings.crop))
        for name, own in whole.items()
    ]
    lacking = sorted(set(files) - set(whole))
    facts = {"crop": settings.crop, "lacking_a_stream": lacking[:EXAMPLES]}
    return PublishedFeatures(videos, (), facts)


def _read_crops(files: Mapping[str, Path], crop: str) -> VideoFeatures:
    loaded = {stream: _load_archive(path) for stream, path in files.items()}
    counts = {int(np.ravel(a["frame_cnt"])[0]) for a in loaded.values() if "frame_cnt" in a}
    streams = {}
    for stream, arrays in loaded.items():
        crops = _crops_first(arrays, files[stream])
        # The first crop is the centre.
        streams[stream] = crops.mean(0, dtype=np.float32) if crop == "mean" else crops[0]
    return VideoFeatures(streams, counts.pop() if len(counts) == 1 else None)


def _load_archive(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise WstalError(f"{path} unpacks to over {MAX_BYTES >> 30} GiB; it is not read")
        with np.load(path, allow_pickle=False) as file:
            return {name: check_numbers(file[name], path) for name in file.files}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise MediaError(f"{path.name} is damaged: {error}") from error
    except ValueError as error:
        raise WstalError(
            f"{path} is refused ({error}); fetch it again from its publisher"
        ) from error


def _crops_first(arrays: Mapping[str, Any], path: Path) -> np.ndarray:
    """The features of a file as `[crops, T, D]`, whichever network made them."""
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
