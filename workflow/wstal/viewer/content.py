"""What the page holds: the run, its numbers, and every video shown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.detections import COLUMNS, check_detections
from wstal.evaluate.map_table import ALL
from wstal.evaluate.protocols import Protocol
from wstal.localize.events import event_detections
from wstal.viewer.entries import Entries
from wstal.viewer.material import FLOOR, Material
from wstal.viewer.packing import TIOU_STEPS, verdicts

# FOLDED Which videos a page of a large dataset shows, by annotation alone.


def chosen_videos(labels: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """At most `count` of the videos in `labels` ({id: video-level labels}), in their order.

    Classes take turns, each with the video whose id has the smallest sha1, so that all classes
    are shown and the choice is the same everywhere. Nothing that a model said enters it.
    Raises WstalError if `count` is not positive.
    """
    if count < 1:
        raise WstalError(f"{count} videos are too few for a page; ask for one at least")
    if len(labels) <= count:
        return list(labels)
    drawn = sorted(labels, key=lambda video: hashlib.sha1(video.encode()).hexdigest())
    queues: dict[str, list[str]] = {}
    for video in reversed(drawn):
        for label in labels[video] or [""]:
            queues.setdefault(label, []).append(video)
    chosen: set[str] = set()
    while True:
        for label in sorted(queues):
            while queues[label]:
                if (video := queues[label].pop()) not in chosen:
                    chosen.add(video)
                    break
            if len(chosen) >= count:
                return [video for video in labels if video in chosen]


# FOLDED The numbers that stand over the page and beside its classes, from a seed's map.csv.

Row = Mapping[str, Any]


def measures(rows: Iterable[Row], protocol: Protocol) -> dict[str, Any]:
    """Means and values per class of what the page shows: the last iterate under `protocol`.

    Returns `{"means": [{metric, value, coverage}], "of": metric, "classes": {name: value}}` in
    percent; of the classes the metric that a checkpoint is chosen by, or the accuracy of events.
    """
    own = [
        row | {"value": float(row["value"])}
        for row in rows
        if row["checkpoint"] == "last"
        and row["protocol"] == protocol.name
        and row["value"] not in ("", None)
    ]
    metric, name = "accuracy", "recall"
    if protocol.select:
        metric, name = f"mAP@{protocol.select}", f"AP@{protocol.select}"
    return {
        "means": _means(own),
        "of": name,
        "classes": {
            row["class"]: row["value"]
            for row in own
            if row["metric"] == metric and row["class"] != ALL
        },
    }


def _means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The averages, what has no tIoU, and of single ones mAP@0.50."""
    return [
        {key: row[key] for key in ("metric", "value", "coverage")}
        for row in rows
        if row["class"] == ALL
        and (":" in row["metric"] or "@" not in row["metric"] or row["metric"] == "mAP@0.50")
    ]


SHOWN = 500  # videos, unless told
STEPS = 100  # of the score slider


def viewer_content(
    material: Material,
    page: Path,
    root: Path,
    shown: int = SHOWN,
    track: Callable[[Iterable], Iterable] = iter,
) -> dict[str, Any]:
    """The content of the page file `page` as plain values, for `viewer_page`.

    Videos are those of the protocol's subsets, at most `shown` of them. Files below `root` are
    addressed relative to the page. Raises WstalError for detections of videos or classes that
    the ground truth does not know.
    """
    truth, protocol, scores = material.truth, material.protocol, material.scores
    found = _detections(material)
    check_detections(found, truth.subset, truth.classes, "detections")
    every = truth.ids(protocol.subsets)
    scorable = protocol.tious and len(truth.segments(every))
    said = verdicts(truth, found, protocol, material.usable) if scorable else None
    chosen = chosen_videos({video: truth.labels[video] for video in every}, shown)
    entry = Entries(material, found, said, page, root)
    ours = found["score"][found["video_id"].isin(chosen)]
    return {
        "about": dict(material.about),
        "task": protocol.task,
        "protocol": {"name": protocol.name, "title": protocol.title, "tious": [*protocol.tious]},
        "measured": measures(material.measured, protocol),
        "classes": truth.classes,
        "grid": {"t0": scores.t0, "step": scores.step} if scores else None,
        "activation": scores.activation if scores else "",
        "tiouSteps": TIOU_STEPS,
        "loudness": [FLOOR, 0.0],
        "scores": np.quantile(ours, np.linspace(0, 1, STEPS + 1)).tolist() if len(ours) else [],
        "videoCount": len(every),
        "provenance": dict(scores.provenance) if scores else {},
        "iteration": scores.iteration if scores else None,
        "videos": [entry(video) for video in track(chosen)],
    }


def _detections(material: Material) -> pd.DataFrame:
    """The detections given, or the events of the scores, with rows numbered from 0."""
    if material.found is not None:
        return material.found.reset_index(drop=True)
    if material.scores is None:
        return pd.DataFrame(columns=COLUMNS)
    return event_detections(material.scores)
