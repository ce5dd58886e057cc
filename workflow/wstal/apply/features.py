"""Features of many video files in one folder: one file of the project's own, and plain arrays."""

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

    What became of each video is returned and written to coverage.csv (columns COVERAGE). One that
    fails costs no other: its row has no rows, and the reason. Raises WstalError if no video has
    features.
    """
    rows, joined = [], {}
    for video, path in videos.items():
        rows.append(extraction.probed(video, path))
        try:
            made = extraction.streams_of(rows[-1])
        except (WstalError, OSError) as error:
            if not rows[-1]["reason"]:  # the file is fine, a stage failed on it
                rows[-1].update(status=BROKEN, reason=str(error))
            continue
        for stream in made:
            empty = Stream(stream.name, stream.directory, {})
            joined.setdefault(stream.name, empty).records.update(stream.records)
    if not joined:
        reasons = "; ".join(f"{row['id']}: {row['reason']}" for row in rows)
        raise WstalError(f"no video has features: {reasons}")
    coverage = extraction.pack(rows, list(joined.values()), folder / "features.h5")
    write_csv(folder / "coverage.csv", COVERAGE, coverage)
    return coverage


def write_arrays(features: FeatureFile, folder: Path, layout: str) -> list[Path]:
    """Each video's features as float32 `.npy` files in `folder`; which were written.

    `streams`: {id}_{stream}.npy `[T, D]` each; `joint`: {id}.npy, side by side, rgb before flow
    before what else there is, as the published features of this field mostly are.
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


# FOLDED What the videos of one call are called.


def video_ids(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by id: the name without extension, or the path where two names are the same.

    A folder stands for the videos below it, by their extension; WstalError names one that has
    none. A file given twice counts once.
    """
    files = [file for path in paths for file in (_below(path) if path.is_dir() else [path])]
    unique = list({path.absolute(): path for path in files}.values())
    stems = Counter(path.stem for path in unique)
    return {path.stem if stems[path.stem] == 1 else path.as_posix(): path for path in unique}


def _below(folder: Path) -> list[Path]:
    if not (found := sorted(videos_below(folder))):
        raise WstalError(
            f"{folder}: no video is below this folder (extensions {', '.join(VIDEO_SUFFIXES)}); "
            "name the files themselves, of whatever extension"
        )
    return found
