"""One array per video and stream, named after both: video_features and this project.

`{video}_{stream}.npy`, each `[T, D]`, in any folders: what `scripts/extract_features.py` and
https://github.com/v-iashin/video_features write.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from wstal.datasets.annotations import NothingThere
from wstal.features.importers.published import PublishedFeatures, files_below, files_per_stream

PAGE = """one {video}_{stream}.npy per video and stream of the recipe's import.order
   As written by scripts/extract_features.py, or by
     https://github.com/v-iashin/video_features (stack_size, step_size 16; extraction_fps 25)"""


def find_streams(folder: Path, settings: Mapping[str, Any]) -> PublishedFeatures:
    """The videos with a file for each stream; those that lack one are named in the facts.

    Ids are read back from file names as this project writes them (`wstal.base.array_store.safe_name`); of
    an id too long for a file's name there is the name alone, which has a `~`.
    """
    streams: dict[str, dict[str, Path]] = {name: {} for name in settings["order"]}
    twice = []
    for path in files_below(folder, ".npy"):
        name, _, stream = path.stem.rpartition("_")
        name = name if "~" in name else unquote(name)
        if name and stream in streams and streams[stream].setdefault(name, path) != path:
            twice.append(name)
    if not any(streams.values()):
        raise NothingThere(f"no file {' or '.join(f'*_{name}.npy' for name in streams)}")
    return files_per_stream(streams, twice=twice[:20])
