"""Published features of the annotated videos, written as features.h5 with their provenance.

Names are matched to the annotated ids, and streams are cut to one length. Rows that follow each
video's own frame rate are chosen by time for the common grid, or keep a step of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wstal.base.array_store import BROKEN, MISSING, OK, add_array, safe_name, seal
from wstal.base.errors import MediaError, WstalError
from wstal.base.files import atomic_path, canonical_json
from wstal.base.settings import to_plain
from wstal.base.user_files import file_sha256
from wstal.datasets.annotations import Annotations
from wstal.features.importers.published import (
    ImportSettings,
    PublishedFeatures,
    PublishedVideo,
    VideoFeatures,
)
from wstal.features.pack import SCHEMA, check_missing
from wstal.features.rows import RowGrid

LENGTH_TOLERANCE = 0.05  # of the annotated durations, in the median
RATE_TOLERANCE = 0.02  # of a rate; 24 and 25 are 4 % apart
NOTE = "published features"


@dataclass
class Imported:
    """Rows of coverage.csv and manifest.csv, and notes for the user."""

    coverage: list[dict[str, Any]] = field(default_factory=list)
    manifest: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert_features(
    path: str | Path,
    found: PublishedFeatures,
    annotations: Annotations,
    settings: ImportSettings,
    *,
    dtype: str = "float32",
    dataset: str,
    recipe: str,
    max_missing: int | None = None,
    track: Callable[[Iterable], Iterable] = iter,
) -> Imported:
    """Write features.h5 (arrays of `dtype`) from what a layout's reader found.

    `dataset` and `recipe` are the names that the file records. Raises WstalError if no video
    matches, a stream has another width than `settings.dims` says, or more than `max_missing`
    videos have no features (None: any number may be missing).
    """
    matched = match_names(annotations, found.videos)
    result = Imported(notes=_match_notes(annotations, found, matched))
    fits, widths = [], dict(settings.dims)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(_root_attrs(found, settings, dtype, dataset, recipe))
        for video in track(list(annotations.database)):
            entry = annotations.database[video]
            streams, rate, status, reason = _read_video(
                matched.get(video), entry["duration"], settings
            )
            rows = len(next(iter(streams.values()))) if streams else 0
            step = settings.stride / rate
            duration = float(entry["duration"] or rows * step)
            about = {"id": video, "split": entry["subset"], "status": status}
            result.coverage.append({**about, "rows": rows, "reason": reason})
            result.manifest.append(
                {**about, **_source(matched.get(video)), "fps": rate}
                | {"duration": duration, "reason": "; ".join(filter(None, (NOTE, reason)))}
            )
            if not streams:
                continue
            if entry["duration"]:
                fits.append(rows * step / entry["duration"])
            _check_widths(streams, widths, video)
            group = file.create_group(safe_name(video))
            group.attrs.update({**about, "duration": duration})
            if settings.grid == "own":
                group.attrs["step"] = step
            group.attrs["sources_json"] = json.dumps(_digests(matched[video].files))
            for name, array in streams.items():
                array = np.ascontiguousarray(array, dtype=dtype)
                stored = add_array(group, name, array)
                stored.attrs["sha256"] = hashlib.sha256(array).hexdigest()
        seal(file)
        # Videos known to be missing from the published set do not count against the dataset.
        allowed = None if max_missing is None else max(max_missing, settings.max_missing)
        check_missing(result.coverage, allowed)
    result.notes += _length_notes(fits)
    return result


def _root_attrs(
    found: PublishedFeatures, settings: ImportSettings, dtype: str, dataset: str, recipe: str
) -> dict[str, Any]:
    made = {"import": to_plain(settings), "dtype": dtype}
    rows = RowGrid(settings.fps, settings.snippet, stride=settings.stride)
    about = {**made, "facts": found.facts, "files": _digests(found.shared)}
    return {
        "schema": SCHEMA,
        "dataset": dataset,
        "recipe": recipe,
        "note": NOTE,
        "fps": settings.fps,
        "snippet": settings.snippet,
        "stride": settings.stride,
        "step": rows.step,
        "t0": rows.t0,
        "recipe_digest": hashlib.sha256(canonical_json(made).encode()).hexdigest(),
        "weights": "published",
        "provenance_json": json.dumps(about, sort_keys=True),
    }


def match_names(
    annotations: Annotations, videos: Iterable[PublishedVideo]
) -> dict[str, PublishedVideo]:
    """Match published videos to annotated ids: {id: video}.

    A leading `v_` may be missing or extra on either side. A published name may also be the file
    name that this project gives an id.
    """
    named = {video.name: video for video in videos}
    matched = {}
    for video, entry in annotations.database.items():
        called = entry.get("file") or video
        names = [video, called, f"v_{called}", called.removeprefix("v_"), safe_name(video)]
        if name := next((n for n in names if n in named), None):
            matched[video] = named[name]
    return matched


def _match_notes(
    annotations: Annotations, found: PublishedFeatures, matched: Mapping[str, PublishedVideo]
) -> list[str]:
    published = [video.name for video in found.videos]
    if not published and (lacking := found.facts.get("lacking_a_stream")):
        raise WstalError(
            f"no video has a file of every stream: one is missing for {_first_names(lacking)}; "
            "place the rest, or name in the recipe only the streams that there are"
        )
    if not matched:
        raise WstalError(
            f"none of the {len(published)} published videos (such as {_first_names(published)}) is "
            f"one of the {len(annotations.database)} annotated (such as "
            f"{_first_names(annotations.database)}); are these features of this dataset?"
        )
    used = {video.name for video in matched.values()}
    notes = []
    if unused := [name for name in published if name not in used]:
        notes.append(f"{len(unused)} published videos are not annotated: {_first_names(unused)}")
    for key in ("lacking_a_stream", "twice"):
        if names := found.facts.get(key):
            notes.append(f"{key.replace('_', ' ')}: {_first_names(names)}")
    return notes


def _read_video(
    found: PublishedVideo | None, duration: float | None, settings: ImportSettings
) -> tuple[dict[str, np.ndarray], float, str, str]:
    """(streams of one length, frames per second of their grid, status, reason) of a video."""
    if found is None:
        return {}, settings.fps, MISSING, "not among the published features"
    try:
        published = found.read()
        streams, cut = _cut_to_shortest(published.streams)
        return _put_on_grid(VideoFeatures(streams, published.frames), duration, settings, cut)
    except MediaError as error:
        return {}, settings.fps, BROKEN, str(error)


def _cut_to_shortest(streams: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], str]:
    """Streams cut to the shortest if they differ by one row, as some published ones do."""
    for name, array in streams.items():
        if array.ndim != 2 or not array.size:
            raise MediaError(f"{name} has the shape {list(array.shape)}, not [T, D]")
        if not np.isfinite(array).all():
            raise MediaError(f"{name} holds values that are not finite")
    lengths = {name: len(array) for name, array in streams.items()}
    shortest = min(lengths.values())
    if max(lengths.values()) == shortest:
        return dict(streams), ""
    text = ", ".join(f"{name} {rows}" for name, rows in lengths.items())
    if max(lengths.values()) > shortest + 1:
        raise MediaError(f"its streams differ in length: {text} rows")
    return {n: a[:shortest] for n, a in streams.items()}, f"cut to {shortest} rows of {text}"


def _put_on_grid(
    published: VideoFeatures, duration: float | None, settings: ImportSettings, cut: str
) -> tuple[dict[str, np.ndarray], float, str, str]:
    rows = len(next(iter(published.streams.values())))
    rate, assumed = estimate_frame_rate(rows, published.frames, duration, settings)
    if settings.grid == "own":
        reasons = [text for text in (cut, assumed) if text]
        return dict(published.streams), rate, OK, "; ".join(reasons)
    index = nearest_rows(rows, rate, settings)
    moved = "" if rate == settings.fps else f"rows moved from {rate:.4g} fps to the common grid"
    reasons = [text for text in (cut, assumed, moved) if text]
    streams = {n: a[index] for n, a in published.streams.items()}
    return streams, settings.fps, OK, "; ".join(reasons)


def estimate_frame_rate(
    rows: int, frames: int | None, duration: float | None, settings: ImportSettings
) -> tuple[float, str]:
    """Return (frames per second of a video with `rows` snippets, what was assumed).

    `frames` is the publisher's count; without it the count follows from the rows. `duration` is
    in seconds. The result is the one of `settings.rates` that fits (an empty list: the rate that
    count and duration give), or `settings.fps` if the duration is unknown or no rate fits.
    """
    fps, stride, rates = settings.fps, settings.stride, settings.rates
    if rates is None:
        return fps, ""
    if not duration:
        return fps, f"its own frame rate is not known, taken as {fps:g}"
    slack = 0.0 if frames else stride / 2 / duration
    count = frames or (rows - 1) * stride + settings.snippet + stride / 2
    found = count / duration
    if not rates:
        return found, ""
    best = min(rates, key=lambda rate: abs(rate - found))
    if abs(best - found) > best * RATE_TOLERANCE + slack:
        known = ", ".join(f"{rate:g}" for rate in rates)
        return fps, f"{found:.2f} frames per second fit none of {known}, taken as {fps:g}"
    return best, ""


def nearest_rows(rows: int, rate: float, settings: ImportSettings) -> np.ndarray:
    """Return for each snippet of the common grid the row nearest in time: int64 `[T]`.

    Snippet l is centred at (l * stride + snippet / 2) / rate seconds.
    """
    fps, stride, half = settings.fps, settings.stride, settings.snippet / 2
    if rate == fps:
        return np.arange(rows)
    count = max(1, round(rows * fps / rate))
    centres = (np.arange(count) * stride + half) / fps
    nearest = np.rint((centres * rate - half) / stride).astype(np.int64)
    return np.clip(nearest, 0, rows - 1)


def _check_widths(streams: Mapping[str, np.ndarray], widths: dict[str, int], video: str) -> None:
    """Compare widths with the recipe's; a stream it does not name is as wide as in the first."""
    for name, array in streams.items():
        if widths.setdefault(name, array.shape[1]) != array.shape[1]:
            raise WstalError(
                f"video {video}: {name} is {array.shape[1]} wide, expected {widths[name]}; choose "
                "the recipe made for these files, or correct its import.dims"
            )


def _length_notes(fits: Sequence[float]) -> list[str]:
    middle = float(np.median(fits)) if fits else 1.0
    if abs(middle - 1) <= LENGTH_TOLERANCE:
        return []
    return [
        f"in the median the features cover {middle:.2f} of the annotated duration: check fps and "
        "stride of the recipe (0.83 and 1.2 mean 25 against 30 frames per second)"
    ]


def _source(found: PublishedVideo | None) -> dict[str, str]:
    """Path and sha256 of the file of a video that has exactly one."""
    if found is None or len(found.files) != 1:
        return {"path": "", "sha256": ""}
    return {"path": str(found.files[0]), "sha256": _sha256(found.files[0])}


def _digests(files: Iterable[Path]) -> dict[str, str]:
    return {str(path): _sha256(path) for path in files}


_sha256 = cache(file_sha256)  # a file may hold several videos


def _first_names(names: Iterable[str]) -> str:
    names: Iterator[str] = iter(names)
    first = [name for _, name in zip(range(3), names, strict=False)]
    return ", ".join(first) + (" ..." if next(names, None) is not None else "")
