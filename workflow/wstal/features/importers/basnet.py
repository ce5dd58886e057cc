"""One array per video and stream: BaS-Net, STPN, UM and CoLA.

`{train,test}/{rgb,flow}/{video}.npy`, each `[T, 1024]`; the folder above the file names the
stream, the folders above that are free.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.datasets.annotations import NothingThere
from wstal.features.importers.published import PublishedFeatures, files_below, files_per_stream

PAGE = """the folders train/rgb, train/flow, test/rgb and test/flow with one .npy per video
   From the README of https://github.com/Pilhyeon/BaSNet-pytorch, of
     https://github.com/Pilhyeon/WTAL-Uncertainty-Modeling or of https://github.com/zhang-can/CoLA"""


def find_basnet(folder: Path, settings: Mapping[str, Any]) -> PublishedFeatures:
    """The videos with a file for each stream; those that lack one are named in the facts."""
    streams: dict[str, dict[str, Path]] = {name: {} for name in settings["order"]}
    twice = []
    for path in files_below(folder, ".npy"):
        known = streams.get(path.parent.name.lower())
        if known is not None and known.setdefault(path.stem, path) != path:
            twice.append(path.stem)
    if not any(streams.values()):
        raise NothingThere(f"no folder {' or '.join(streams)} with .npy files")
    return files_per_stream(streams, twice=twice[:20])
