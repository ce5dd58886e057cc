"""Features of many video files in one folder: a feature file, and plain arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wstal.apply.extraction import Extraction
from wstal.base.array_store import BROKEN, safe_name
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path, write_csv
from wstal.datasets.folder import VIDEO_SUFFIXES
from wstal.features.pack import COVERAGE, FeatureFile, Stream
from wstal.media.find import videos_below

LAYOUTS = ("streams", "joint", "none")


def extract_folder(
    extraction: Extraction, videos: Mapping[str, Path], folder: Path
) -> list[dict[str, Any]]:
    """Write the features of `videos` (file by id) to `folder`/features.h5.

    The coverage (columns COVERAGE) is returned and written to coverage.csv. A video that fails
    does not stop the others: its coverage has no rows, and the reason. Raises WstalError if no
    video has features.
    """
    rows, streams = [], {}
    for video, path in videos.items():
        rows.append(extraction.probe(video, path))
        try:
            made = extraction.make_streams(rows[-1])
        except (WstalError, OSError) as error:
            if not rows[-1]["reason"]:  # the file is fine, a stage failed on it
                rows[-1].update(status=BROKEN, reason=str(error))
            continue
        for stream in made:
            empty = Stream(stream.name, stream.directory, {})
            streams.setdefault(stream.name, empty).records.update(stream.records)
    if not streams:
        reasons = "; ".join(f"{row['id']}: {row['reason']}" for row in rows)
        raise WstalError(f"no video has features: {reasons}")
    coverage = extraction.pack(rows, list(streams.values()), folder / "features.h5")
    write_csv(folder / "coverage.csv", COVERAGE, coverage)
    return coverage


def write_arrays(features: FeatureFile, folder: Path, layout: str) -> list[Path]:
    """Write each video's features as float32 `.npy` files to `folder`; return their paths.

    `streams`: {id}_{stream}.npy `[T, D]` each; `joint`: {id}.npy, side by side: rgb, flow, then
    other streams, as most published features are.
    """
    first = [name for name in ("rgb", "flow") if name in features.streams]
    order = [*first, *(name for name in features.streams if name not in first)]
    groups = {"streams": {f"_{name}": [name] for name in order}, "joint": {"": order}, "none": {}}
    written = []
    for video in features.ids():
        for suffix, names in groups[layout].items():
            path = folder / f"{safe_name(video)}{suffix}.npy"
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.save(file, features.read(video, names))
            written.append(path)
    return written


def video_ids(paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by id: the name without extension, or the path if two names are the same.

    A folder stands for the videos below it, by their extension; one without any raises
    WstalError. A file given twice counts once.
    """
    files = [file for path in paths for file in (_below(path) if path.is_dir() else [path])]
    unique = list({path.absolute(): path for path in files}.values())
    stems = Counter(path.stem for path in unique)
    return {path.stem if stems[path.stem] == 1 else path.as_posix(): path for path in unique}


def _below(folder: Path) -> list[Path]:
    if not (videos := sorted(videos_below(folder))):
        raise WstalError(
            f"{folder}: there is no video below this folder (extensions "
            f"{', '.join(VIDEO_SUFFIXES)}); name the files themselves, with any extension"
        )
    return videos
