"""The numpy annotation set that W-TALC published and CO2-Net, HAM-Net and others use.

Parallel arrays, one element per video: videoname, subset, duration [N, 1] in seconds, segments
(lists of [start, end] in seconds), labels (one per segment), labels_all (one per class present).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from wstal.data.published import PublishedSet, PublishedVideo, segment
from wstal.data.restricted_pickle import read_object_array
from wstal.errors import WstalError

NEEDED = ("videoname", "subset", "segments", "labels", "duration")


def wtalc_folders(files: Iterable[Path]) -> Iterator[Path]:
    """Folders among `files` that hold such a set."""
    names: dict[Path, set[str]] = {}
    for path in files:
        if path.suffix == ".npy":
            names.setdefault(path.parent, set()).add(path.stem)
    return (folder for folder, stems in names.items() if {"videoname", "segments"} <= stems)


def read_wtalc(folder: Path) -> PublishedSet:
    """Read the set in `folder`.

    Raises WstalError naming a file that is absent, refused or of another length.
    """
    optional = [name for name in ("labels_all", "original_fps") if _file(folder, name).exists()]
    arrays = {name: read_object_array(_file(folder, name)) for name in (*NEEDED, *optional)}
    count = len(arrays["videoname"])
    for name, array in arrays.items():
        if len(array) != count:
            raise WstalError(
                f"{_file(folder, name)} has {len(array)} elements, videoname.npy has {count}; "
                "fetch the set again"
            )
    found = PublishedSet("W-TALC numpy set", [_file(folder, name) for name in arrays])
    for index in range(count):
        name = _text(arrays["videoname"][index])
        where = f"{folder}, video {name}"
        times, labels = list(arrays["segments"][index]), list(arrays["labels"][index])
        if len(times) != len(labels) or any(np.size(pair) != 2 for pair in times):
            raise WstalError(f"{where}: {len(times)} segments and {len(labels)} labels")
        rates = arrays.get("original_fps")
        found.videos[name] = PublishedVideo(
            subset=_text(arrays["subset"][index]).lower(),
            segments=[
                segment(*pair, label, where) for pair, label in zip(times, labels, strict=True)
            ],
            duration=float(np.ravel(arrays["duration"][index])[0]),
            labels=list(arrays["labels_all"][index]) if "labels_all" in arrays else None,
            fps=None if rates is None else float(np.ravel(rates[index])[0]),
        )
    extracted = _file(folder, "extracted_fps")
    if extracted.exists():
        rates = sorted(set(np.ravel(read_object_array(extracted)).tolist()))
        found.notes.append(
            f"extracted_fps.npy says {', '.join(f'{rate:g}' for rate in rates)} frames per second "
            "for all videos; it is not read: the I3D features were made at 25"
        )
    return found


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
