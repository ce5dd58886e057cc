"""The layouts of published features: which reader an import uses, and the readers.

One array for all videos:

- `wtalc` (W-TALC, CO2-Net, HAM-Net): one .npy file, an object array with one `[T, 2048]` per video,
  RGB then flow, in the order of the videoname.npy of the annotation set published with it.
- `ave`: VGG-19 and VGGish features, ten seconds per row of Annotations.txt. `visual_feature.h5`
  `[4143, 10, 7, 7, 512]` becomes `rgb` `[10, 512]`, the mean over the picture; `audio_feature.h5`
  `[4143, 10, 128]` becomes `audio`. The 178 training clips that show background alone have rows in
  `visual_feature_noisy.h5` and `audio_feature_noisy.h5`.

Files of their own for each video:

| layout | files | used by |
|---|---|---|
| `basnet` | `{train,test}/{rgb,flow}/{video}.npy`, each `[T, 1024]` | BaS-Net, STPN, UM, CoLA |
| `streams` | `{video}_{stream}.npy` or `{video}-{stream}.npy` | this project, video_features |
| `acmnet` | `{train,test}/{video}.npy`, `[T, 2048]`, RGB then flow | ACM-Net, ASM-Loc |
| `cmcs` | `{video}-{stream}.npz` with one or ten crops | CMCS |

`autoloc` is in autoloc.py.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.base.hdf5_files import checked_dataset, open_hdf5
from wstal.base.memory import max_memory
from wstal.base.restricted_pickle import read_object_array
from wstal.base.user_files import check_archive
from wstal.datasets.annotations import Annotations
from wstal.datasets.published_sets import FilesMissing, as_text, expand_fetched
from wstal.features.importers.autoloc import find_autoloc
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

PAGES = {
    "wtalc": """one file such as Thumos14reduced-I3D-JOINTFeatures.npy or
     ActivityNet1.2-I3D-JOINTFeatures.npy, and videoname.npy of the annotation set beside it
     (Thumos14reduced-Annotations, ActivityNet1.2-Annotations); that set may also lie with the
     dataset's label files.
   From the README of https://github.com/sujoyp/wtalc-pytorch, or
     https://github.com/harlanhong/MM2021-CO2-Net""",
    "basnet": """the folders train/rgb, train/flow, test/rgb and test/flow with one .npy per video
   From the README of https://github.com/Pilhyeon/BaSNet-pytorch, of
     https://github.com/Pilhyeon/WTAL-Uncertainty-Modeling or of https://github.com/zhang-can/CoLA""",
    "acmnet": """the folders train and test with one .npy per video
   From the README of https://github.com/ispc-lab/ACM-Net or of
     https://github.com/boheumd/ASM-Loc""",
    "cmcs": """two files per video, <id>-rgb.npz and <id>-flow.npz (or v_<id>-...), in any folders
   From the README of https://github.com/Finspire13/CMCS-Temporal-Action-Localization""",
    "autoloc": """the folder att_unfused (ActivityNet: att_unfused_onlytrain): val.all.tsv and
     test.all.tsv, or one .tsv per video; for ActivityNet data/AN/org2idx.map beside them
   From the README of https://github.com/zhengshou/AutoLoc""",
    "ave": """visual_feature.h5 (7.7 GB) and audio_feature.h5; for training clips of background
     visual_feature_noisy.h5 and audio_feature_noisy.h5 (without them: choices: {background_clips:
     leave_out}). From https://github.com/YapengTian/AVE-ECCV18, README and data/""",
    "streams": """one {video}_{stream}.npy per video and stream of the recipe's import.order
   As written by `wstal extract`, or by
     https://github.com/v-iashin/video_features (stack_size, step_size 16; extraction_fps 25)""",
}


def find_features(
    folder: Path,
    settings: ImportSettings,
    annotations: Annotations,
    labels: Sequence[Path] = (),
) -> PublishedFeatures:
    """Find the published features below `folder` with the reader of `settings.layout`.

    `labels` are the dataset's label files. Raises WstalError for files that cannot be used; if
    the files are missing, the message is a page that says what to place where.
    """
    try:
        match settings.layout:
            case "wtalc":
                return find_wtalc(folder, settings, labels)
            case "basnet":
                return find_basnet(folder, settings)
            case "acmnet":
                return find_acmnet(folder, settings)
            case "cmcs":
                return find_cmcs(folder, settings)
            case "autoloc":
                return find_autoloc(folder, settings)
            case "ave":
                return find_ave(folder, settings, annotations)
            case "streams":
                return find_streams(folder, settings)
            case other:
                raise WstalError(f"layout {other!r} is not one of {', '.join(PAGES)}")
    except FilesMissing as error:
        raise WstalError(_page(settings.layout, folder, str(error))) from error


def _page(layout: str, folder: Path, absent: str) -> str:
    return (
        f"Features of the layout `{layout}`: what to place, and where\n\n"
        f"1. Into {folder}, or the folder that `features:` of the dataset names (or a folder\n"
        "     in it with the recipe's name)\n"
        f"     {PAGES[layout]}\n"
        "2. Unpack archives there; folders inside may have any names unless stated above.\n"
        "Terms: those of the publisher; the features are made from other people's videos.\n\n"
        f"Not there yet: {absent} below {folder}."
    )


NAMES = "videoname.npy"
MAX_JOINT_BYTES = 1 << 36  # of the joint array


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
    array = read_object_array(joint[0], max_bytes=MAX_JOINT_BYTES, arrays=True)
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
        with open_hdf5(path) as file:
            shape = checked_dataset(file, KEY).shape
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
        with open_hdf5(path) as file:
            array = np.asarray(file[KEY][row], dtype=np.float32)
        streams[stream] = array.mean(tuple(range(1, array.ndim - 1))) if array.ndim > 2 else array
    return VideoFeatures(streams)


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
    streams, twice = stream_files(folder, settings.order)
    if not any(streams.values()):
        raise FilesMissing(f"no file {' or '.join(f'*_{name}.npy' for name in streams)}")
    return _files_per_stream(streams, twice)


def stream_files(
    folder: Path, order: Sequence[str]
) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """Return stream -> video -> file of `{video}_{stream}.npy`, and the videos named twice.

    The separator may be `-` too. `{video}.npy` is the first stream of a video of which only the
    other streams have their name.
    """
    streams: dict[str, dict[str, Path]] = {name: {} for name in order}
    twice, plain = [], {}
    for path in files_below(folder, ".npy"):
        place = max(path.stem.rfind("_"), path.stem.rfind("-"))
        name, stream = path.stem[: max(place, 0)], path.stem[place + 1 :]
        name = name if "~" in name else unquote(name)
        if name and stream in streams:
            if streams[stream].setdefault(name, path) != path:
                twice.append(name)
        else:
            plain.setdefault(path.stem if "~" in path.stem else unquote(path.stem), path)
    first, *others = order
    for name, path in plain.items():
        if any(name in streams[other] for other in others):
            streams[first].setdefault(name, path)
    return streams, twice


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
        if check_archive(path, MediaError) > max_memory():
            raise MediaError(f"{path.name} unpacks to more than max_memory allows")
        with np.load(path, allow_pickle=False) as file:
            return {name: check_numbers(file[name], path) for name in file.files}
    except (OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
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
