"""AutoLoc's UntrimmedNet outputs: one tab-separated line per video.

Columns: id, labels, features `T x 2048`, class activation `T x 2 x K` (softmax over classes),
attention `T x 2` (logits). Numbers are joined by ";"; flow comes before RGB in each column. The
last two columns become streams: `rgb_scp`, `flow_scp` `[T, K]`, and `rgb_attention`,
`flow_attention` `[T, 1]`.

Ids are numbers. For THUMOS14 they are the numbers in the videos' names, which start again in each
subset; for ActivityNet they are places in AutoLoc's list of videos, org2idx.map
(`subset id number`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.base.text_files import read_text
from wstal.base.user_files import open_regular
from wstal.datasets.published_sets import FilesMissing
from wstal.features.importers.published import (
    ImportSettings,
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
    files_below,
    split_joint,
)

MAX_ID = 256  # bytes
MAP = "org2idx.map"
SUBSETS = {"val": "validation", "validation": "validation", "test": "test", "train": ""}


def find_autoloc(folder: Path, settings: ImportSettings) -> PublishedFeatures:
    """Find the lines of all .tsv files below `folder`; of two lines of one video, the first.

    The stacked files (*.all.tsv) come before the files of single videos. Raises FilesMissing if
    no file is there, WstalError for a number that stands for no video.
    """
    videos: dict[str, PublishedVideo] = {}
    originals = _read_originals(folder)
    files = sorted(files_below(folder, ".tsv"), key=lambda p: not p.name.endswith(".all.tsv"))
    for path in files:
        own = () if path.name.endswith(".all.tsv") else (path,)
        for name, place in _lines(path):
            name = _full_name(name, path, originals)
            read = partial(_read_line, path, place, settings)
            videos.setdefault(name, PublishedVideo(name, own, read))
    if not videos:
        raise FilesMissing("no .tsv file")
    shared = tuple(path for path in files if path.name.endswith(".all.tsv"))
    return PublishedFeatures(list(videos.values()), shared, {"order": list(settings.order)})


def _read_originals(folder: Path) -> dict[int, str]:
    """{number: id} of AutoLoc's list of videos, in the folder, below it or beside it."""
    found = [*files_below(folder, MAP), *(p for p in [folder.parent / MAP] if p.is_file())]
    rows = (line.split() for line in read_text(found[0]).split("\n")) if found else ()
    return {int(number): name for _, name, number in filter(None, rows)}


def _full_name(name: str, path: Path, originals: Mapping[int, str]) -> str:
    """The video that a number in a file stands for; a name stays unchanged."""
    if not name.isdigit():
        return name
    if int(name) in originals:
        return originals[int(name)]
    words = [word for word in re.split(r"[^a-z]+", path.stem.lower()) if word in SUBSETS]
    subset = SUBSETS.get(words[0] if words else path.parent.name.lower())
    if originals or not subset:
        raise WstalError(
            f"{path}: video {name} is a number that is in no {MAP}, and the file's name does not "
            "give a subset of THUMOS14; place data/AN/org2idx.map of AutoLoc beside the files, "
            "or name the file by its subset (val.all.tsv)"
        )
    return f"video_{subset}_{int(name):07d}"


def _lines(path: Path) -> Iterator[tuple[str, int]]:
    """(id, offset in bytes) of each line; no line is kept in memory."""
    with open_regular(path) as file:
        place = 0
        for line in file:
            name = line[:MAX_ID].partition(b"\t")[0].decode("utf-8", "replace").strip()
            if name:
                yield name, place
            place += len(line)


def _read_line(path: Path, place: int, settings: ImportSettings) -> VideoFeatures:
    with open_regular(path) as file:
        file.seek(place)
        columns = file.readline().rstrip(b"\r\n").split(b"\t")
    name = columns[0].decode("utf-8", "replace")
    if len(columns) != 5:
        raise WstalError(
            f"{path}: the line of {name} has {len(columns)} columns; expected five: id, "
            "labels, features, class activation, attention"
        )
    features, activation, attention = (_values(text, path, name) for text in columns[2:])
    order = list(settings.order)
    rows, left = divmod(len(features), sum(settings.dims[stream] for stream in order))
    if left or not rows:
        raise WstalError(
            f"{path}: {name} has {len(features)} feature values, not a multiple of the recipe's "
            f"width {dict(settings.dims)}; correct import.dims"
        )
    classes, left = divmod(len(activation), rows * len(order))
    if left or not classes or len(attention) != rows * len(order):
        raise MediaError(
            f"the line in {path.name} has {rows} rows of features, but {len(activation)} "
            f"activations and {len(attention)} attentions: it is cut off"
        )
    streams = split_joint(features.reshape(rows, -1), order, settings.dims, path)
    for index, stream in enumerate(order):
        streams[f"{stream}_scp"] = activation.reshape(rows, len(order), classes)[:, index]
        streams[f"{stream}_attention"] = attention.reshape(rows, len(order), 1)[:, index]
    return VideoFeatures(streams)


def _values(text: bytes, path: Path, name: str) -> np.ndarray:
    try:
        return np.array(text.strip(b"; ").split(b";"), dtype=np.float32)
    except ValueError as error:
        raise MediaError(f"the line of {name} in {path.name} is damaged: {error}") from error
