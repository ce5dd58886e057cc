"""Simulated two-stream features: a bench for weak supervision that needs no video.

Training sees features and video-level labels; the segments that the features were made from
stay in annotations.json, and no number of the feature file tells where they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import h5py
import numpy as np
from annotated_types import Ge

from wstal.base.array_store import OK, safe_name
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path, canonical_json
from wstal.datasets.annotations import Annotations
from wstal.demo.simulated_evidence import (
    STREAMS,
    Channels,
    Columns,
    Evidence,
    StreamChannels,
    Video,
    stream_concepts,
)
from wstal.features.pack import SCHEMA
from wstal.media.timeline import SNIPPET, frame_count, snippet_count, snippet_step

# FOLDED The simulator's settings as a config names them, turned into the dataclass that explains them.

T = TypeVar("T")


def read_settings(kind: type[T], config: Mapping[str, Any], section: str) -> T:
    """`kind(**config[section])`.

    Raises WstalError naming the section for an unknown, missing or negative setting.
    """
    where = f"simulate.{section} of the dataset YAML"
    given = config.get(section, {})
    known = {f.name for f in fields(kind)}
    if set(given) != known:
        unknown, absent = sorted(set(given) - known), sorted(known - set(given))
        raise WstalError(f"{where}: unknown {unknown}, missing {absent}")
    if bad := [name for name, x in given.items() if isinstance(x, int | float) and x < 0]:
        raise WstalError(f"{where}: {bad} must not be negative")
    return kind(**given)


@dataclass(frozen=True)
class SimulatedSettings:
    """Section `simulated` of a feature recipe: features are drawn, other sections are unused."""

    dims: Mapping[str, Annotated[int, Ge(1)]]  # channels of each stream


NOTE = "simulated data"
FPS = 25  # of the recipes it stands in for


def simulate_features(
    path: str | Path,
    annotations: Annotations,
    config: Mapping[str, Any],
    recipe: Mapping[str, Any],
    *,
    dataset: str,
    recipe_name: str,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[dict[str, Any]]:
    """Write features.h5 for all videos and return the coverage rows.

    `config` holds seed, evidence and channels (`simulate` of the dataset YAML), `recipe` gives
    `simulated.dims` (`{rgb: D, flow: D}`) and dtype. The same arguments give the same arrays
    on any machine.
    """
    coverage = []
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(_root_attrs(dataset, recipe_name, recipe, config))
        for video, streams in simulated_videos(annotations, config, recipe, track):
            entry = annotations.database[video]
            group = file.create_group(safe_name(video))
            group.attrs.update(
                id=video, split=entry["subset"], duration=float(entry["duration"]), status=OK
            )
            for name, features in streams.items():
                group[name] = features
                group[name].attrs["sha256"] = hashlib.sha256(features.tobytes()).hexdigest()
            rows = len(next(iter(streams.values())))
            about = {"id": video, "split": entry["subset"], "status": OK}
            coverage.append({**about, "rows": rows, "reason": ""})
    return coverage


def simulated_videos(
    annotations: Annotations,
    config: Mapping[str, Any],
    recipe: Mapping[str, Any],
    track: Callable[[Iterable], Iterable] = iter,
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (id, {stream: features `[T, D]` in the recipe's dtype}); T as of the time grid."""
    evidence = read_settings(Evidence, config, "evidence")
    settings, seed = read_settings(Channels, config, "channels"), config["seed"]
    dims = (recipe["simulated"] or {}).get("dims", {})
    if set(dims) != set(STREAMS):
        raise WstalError(f"simulated.dims of the recipe names {list(dims)}, not rgb and flow")
    classes = len(annotations.classes)
    concepts = Columns(classes, evidence).count
    channels = {s: StreamChannels(s, concepts, dims[s], settings, seed) for s in STREAMS}
    for video in track(list(_videos(annotations))):
        shown = stream_concepts(video, classes, evidence, seed, snippet_step(FPS))
        yield (
            video.id,
            {s: channels[s].features(video.id, shown[s]).astype(recipe["dtype"]) for s in STREAMS},
        )


def manifest_rows(annotations: Annotations) -> list[dict[str, Any]]:
    """A manifest for videos that have no file: id, split, duration, status and why."""
    return [
        {
            **{"id": video, "split": entry["subset"], "duration": entry["duration"]},
            **{"fps": FPS, "status": OK, "reason": NOTE},
        }
        for video, entry in annotations.database.items()
    ]


def _videos(annotations: Annotations) -> Iterator[Video]:
    index = {name: i for i, name in enumerate(annotations.classes)}
    for video, entry in annotations.database.items():
        if not entry["duration"]:
            raise WstalError(
                f"video {video} has no duration in the annotation database; simulated features "
                "need one to know how many snippets to make"
            )
        yield Video(
            video,
            [index[name] for name in entry["labels"]],
            [
                (*item["segment"], index[item["label"]])
                for item in entry["annotations"]
                if item["segment"][0] < item["segment"][1]
            ],
            snippet_count(frame_count(entry["duration"], FPS)),
        )


def _root_attrs(
    dataset: str, recipe_name: str, recipe: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Any]:
    made = {"dims": recipe["simulated"]["dims"], "dtype": recipe["dtype"], "simulate": config}
    return {
        **{"schema": SCHEMA, "dataset": dataset, "recipe": recipe_name, "note": NOTE},
        **{"fps": FPS, "snippet": SNIPPET, "stride": SNIPPET, "t0": 0.0, "step": snippet_step(FPS)},
        "recipe_digest": hashlib.sha256(canonical_json(made).encode()).hexdigest(),
        "weights": "simulated",
        "provenance_json": json.dumps({"simulator": made}, sort_keys=True),
    }
