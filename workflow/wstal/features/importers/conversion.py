"""Published features of the annotated videos, written as features.h5 with where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wstal.base.array_store import BROKEN, MISSING, OK, safe_name
from wstal.base.errors import MediaError, WstalError
from wstal.base.files import atomic_path, canonical_json
from wstal.datasets.annotations import Annotations
from wstal.features.importers.own_rate import common_rows, own_rate
from wstal.features.importers.published import PublishedFeatures, PublishedVideo, VideoFeatures
from wstal.features.pack import SCHEMA, check_missing

LENGTH_TOLERANCE = 0.05  # of the annotated durations, in the median
NOTE = "published features"


@dataclass
class Imported:
    """Rows of coverage.csv and manifest.csv, and what the user should know."""

    coverage: list[dict[str, Any]] = field(default_factory=list)
    manifest: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert_features(
    path: str | Path,
    found: PublishedFeatures,
    annotations: Annotations,
    recipe: Mapping[str, Any],
    *,
    dataset: str,
    recipe_name: str,
    max_missing: int | None = None,
    track: Callable[[Iterable], Iterable] = iter,
) -> Imported:
    """Write features.h5 from what a layout's reader found.

    `recipe` has `import` (layout, order, dims, fps, snippet, stride, rates, max_missing)
    and `dtype`.
    Raises WstalError if no video matches, a stream has another width than the recipe says, or
    more than `max_missing` videos have no features.
    """
    settings = recipe["import"]
    matched = match_names(annotations, found.videos)
    result = Imported(notes=_match_notes(annotations, found, matched))
    fits, widths = [], dict(settings["dims"])
    step = settings["stride"] / settings["fps"]
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(_root_attrs(dataset, recipe_name, recipe, found))
        for video in track(list(annotations.database)):
            entry = annotations.database[video]
            streams, status, reason = _video(matched.get(video), entry["duration"], settings)
            rows = len(next(iter(streams.values()))) if streams else 0
            duration = float(entry["duration"] or rows * step)
            about = {"id": video, "split": entry["subset"], "status": status}
            result.coverage.append({**about, "rows": rows, "reason": reason})
            result.manifest.append(
                {**about, **_source(matched.get(video)), "fps": settings["fps"]}
                | {"duration": duration, "reason": "; ".join(filter(None, (NOTE, reason)))}
            )
            if not streams:
                continue
            if entry["duration"]:
                fits.append(rows * step / entry["duration"])
            _check_widths(streams, widths, video)
            group = file.create_group(safe_name(video))
            group.attrs.update({**about, "duration": duration})
            group.attrs["sources_json"] = json.dumps(_digests(matched[video].files))
            for name, array in streams.items():
                group[name] = array = np.ascontiguousarray(array, dtype=recipe["dtype"])
                group[name].attrs["sha256"] = hashlib.sha256(array).hexdigest()
        # What the published set is known to lack does not count against the dataset.
        allowed = None if max_missing is None else max(max_missing, settings["max_missing"])
        check_missing(result.coverage, allowed)
    result.notes += _length_notes(fits)
    return result


def match_names(
    annotations: Annotations, videos: Iterable[PublishedVideo]
) -> dict[str, PublishedVideo]:
    """Published videos by annotated id; a leading `v_` may lack or be too much on either side.

    One may also be called as this project calls the file of that id.
    """
    named = {video.name: video for video in videos}
    matched = {}
    for video, entry in annotations.database.items():
        called = entry.get("file") or video
        names = [video, called, f"v_{called}", called.removeprefix("v_")]
        names.append(safe_name(video))
        if name := next((n for n in names if n in named), None):
            matched[video] = named[name]
    return matched


def _match_notes(
    annotations: Annotations, found: PublishedFeatures, matched: Mapping[str, PublishedVideo]
) -> list[str]:
    published = [video.name for video in found.videos]
    if not published and (lacking := found.facts.get("lacking_a_stream")):
        raise WstalError(
            f"no video has a file of every stream: {_some(lacking)} lack one; place the rest, or "
            "name in the recipe only the streams that there are"
        )
    if not matched:
        raise WstalError(
            f"none of the {len(published)} published videos (such as {_some(published)}) is one "
            f"of the {len(annotations.database)} annotated (such as {_some(annotations.database)})"
            "; are these features of this dataset?"
        )
    used = {video.name for video in matched.values()}
    unused = [name for name in published if name not in used]
    notes = [f"{len(unused)} published videos are not annotated: {_some(unused)}"] if unused else []
    for key in ("lacking_a_stream", "twice"):
        if names := found.facts.get(key):
            notes.append(f"{key.replace('_', ' ')}: {_some(names)}")
    return notes


def _video(
    found: PublishedVideo | None, duration: float | None, settings: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], str, str]:
    """(streams of one length, status, reason) of a video."""
    if found is None:
        return {}, MISSING, "not among the published features"
    try:
        read = found.read()
        streams, reason = _one_length(read.streams)
        return _on_grid(VideoFeatures(streams, read.frames), duration, settings, reason)
    except MediaError as error:
        return {}, BROKEN, str(error)


def _one_length(streams: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], str]:
    """Streams cut to the shortest where they differ by one row, as some published ones do."""
    for name, array in streams.items():
        if array.ndim != 2 or not array.size:
            raise MediaError(f"{name} has the shape {list(array.shape)}, not [T, D]")
        if not np.isfinite(array).all():
            raise MediaError(f"{name} holds values that are no finite numbers")
    lengths = {name: len(array) for name, array in streams.items()}
    shortest = min(lengths.values())
    if max(lengths.values()) == shortest:
        return dict(streams), ""
    text = ", ".join(f"{name} {rows}" for name, rows in lengths.items())
    if max(lengths.values()) > shortest + 1:
        raise MediaError(f"its streams differ in length: {text} rows")
    return {n: a[:shortest] for n, a in streams.items()}, f"cut to {shortest} rows of {text}"


def _on_grid(
    read: VideoFeatures, duration: float | None, settings: Mapping[str, Any], reason: str
) -> tuple[dict[str, np.ndarray], str, str]:
    rows = len(next(iter(read.streams.values())))
    rate, assumed = own_rate(rows, read.frames, duration, settings)
    index = common_rows(rows, rate, settings)
    moved = "" if rate == settings["fps"] else f"rows moved from {rate:.4g} fps to the common grid"
    reasons = [text for text in (reason, assumed, moved) if text]
    return {n: a[index] for n, a in read.streams.items()}, OK, "; ".join(reasons)


def _check_widths(streams: Mapping[str, np.ndarray], widths: dict[str, int], video: str) -> None:
    """Every stream as wide as the recipe says; those it does not name, as in the first video."""
    for name, array in streams.items():
        if widths.setdefault(name, array.shape[1]) != array.shape[1]:
            raise WstalError(
                f"video {video}: {name} is {array.shape[1]} wide, expected {widths[name]}; choose "
                "the recipe made for these files, or correct its import.dims"
            )


def _length_notes(fits: list[float]) -> list[str]:
    middle = float(np.median(fits)) if fits else 1.0
    if abs(middle - 1) <= LENGTH_TOLERANCE:
        return []
    return [
        f"in the median the features cover {middle:.2f} of the annotated duration: check fps and "
        "stride of the recipe (0.83 and 1.2 mean 25 against 30 frames per second)"
    ]


def _root_attrs(
    dataset: str, recipe_name: str, recipe: Mapping[str, Any], found: PublishedFeatures
) -> dict[str, Any]:
    settings = recipe["import"]
    made = {"import": settings, "dtype": recipe["dtype"]}
    fps, snippet, stride = (settings[key] for key in ("fps", "snippet", "stride"))
    about = {**made, "facts": found.facts, "files": _digests(found.shared)}
    return {
        **{"schema": SCHEMA, "dataset": dataset, "recipe": recipe_name, "note": NOTE},
        **{"fps": fps, "snippet": snippet, "stride": stride, "step": stride / fps},
        # A snippet longer than its stride is centred later than the span it stands for.
        "t0": (snippet - stride) / 2 / fps,
        "recipe_digest": hashlib.sha256(canonical_json(made).encode()).hexdigest(),
        "weights": "published",
        "provenance_json": json.dumps(about, sort_keys=True),
    }


def _source(found: PublishedVideo | None) -> dict[str, str]:
    """Path and sha256 of a video that has one file of its own."""
    if found is None or len(found.files) != 1:
        return {"path": "", "sha256": ""}
    return {"path": str(found.files[0]), "sha256": _sha256(found.files[0])}


def _digests(files: Iterable[Path]) -> dict[str, str]:
    return {str(path): _sha256(path) for path in files}


@cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _some(names: Iterable[str]) -> str:
    names: Iterator[str] = iter(names)
    first = [name for _, name in zip(range(3), names, strict=False)]
    return ", ".join(first) + (" ..." if next(names, None) is not None else "")
