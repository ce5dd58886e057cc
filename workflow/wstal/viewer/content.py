"""What the page holds: the run, its numbers, and every video shown, as plain values.

`Material` gathers a run's results and what is known of its videos. `viewer_content` chooses the
videos, takes the numbers from map.csv, and makes the entry of each video (`Entries`). `packing`
turns arrays into short text, and `page` puts the content into one HTML file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from wstal.base.array_store import open_arrays, read_shard
from wstal.base.errors import WstalError
from wstal.base.files import path_from
from wstal.evaluate.detections import COLUMNS, check_detections
from wstal.evaluate.events import classify_seconds, judge
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import ALL
from wstal.evaluate.protocols import Protocol
from wstal.localize.proposals import event_detections
from wstal.localize.scores import Scores
from wstal.viewer.page import (
    TIOU_STEPS,
    Verdicts,
    choose_classes,
    list_instances,
    match_proposals,
    pack_curve,
    pack_curves,
    pack_proposals,
)

SHOWN = 500  # videos, by default
SCORE_STEPS = 100  # of the score slider
FLOOR = -60.0  # dB of full scale; anything softer is silence

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Material:
    """A run's results and what is known of its videos; all but the first three are optional.

    `about` holds the run's names (title, dataset, run, recipe, seed, note). `found` are
    detections, a frame video_id, t_start, t_end, label, score (seconds); None stands for the
    events of `scores`. `usable` are the videos with features (None: all), `manifest` and
    `coverage` rows by video id, `sounds` the sound file of each video (`sound_files`), `measured`
    the rows of the seed's map.csv.

    Raises WstalError if the scores are of other classes than the ground truth.
    """

    about: Mapping[str, Any]
    truth: GroundTruth
    protocol: Protocol
    scores: Scores | None = None
    found: pd.DataFrame | None = None
    usable: set[str] | None = None
    manifest: Mapping[str, Row] = field(default_factory=dict)
    coverage: Mapping[str, Row] = field(default_factory=dict)
    sounds: Mapping[str, Path] = field(default_factory=dict)
    measured: Sequence[Row] = ()

    def __post_init__(self) -> None:
        if self.scores and set(self.scores.classes) != set(self.truth.classes):
            raise WstalError(
                f"the scores' classes {self.scores.classes} are not the ground truth's "
                f"{self.truth.classes}; the run was trained on other annotations, train it again"
            )

    @property
    def columns(self) -> dict[str, int]:
        """The column of each class of the ground truth in the scores; empty without scores."""
        names = self.scores.classes if self.scores else []
        return {name: names.index(name) for name in (self.truth.classes if names else [])}


def viewer_content(
    material: Material,
    page: Path,
    root: Path,
    shown: int = SHOWN,
    track: Callable[[Iterable], Iterable] = iter,
) -> dict[str, Any]:
    """Return the content of the page file `page` as plain values, for `viewer_page`.

    Shown are videos of the protocol's subsets, at most `shown` of them. Files below `root` are
    addressed relative to the page. Raises WstalError for detections of videos or classes that
    are not in the ground truth.
    """
    truth, protocol, scores = material.truth, material.protocol, material.scores
    found = _find_detections(material)
    check_detections(found, truth.subset, truth.classes, "detections")
    every = truth.ids(protocol.subsets)
    scorable = protocol.tious and len(truth.segments(every))
    verdicts = match_proposals(truth, found, protocol, material.usable) if scorable else None
    chosen = choose_videos({video: truth.labels[video] for video in every}, shown)
    entries = Entries(material, found, verdicts, page, root)
    steps = np.linspace(0, 1, SCORE_STEPS + 1)
    ours = found["score"][found["video_id"].isin(chosen)]
    return {
        "about": dict(material.about),
        "task": protocol.task,
        "protocol": {"name": protocol.name, "title": protocol.title, "tious": [*protocol.tious]},
        "measured": collect_measures(material.measured, protocol),
        "classes": truth.classes,
        "grid": {"t0": scores.t0, "step": scores.step} if scores else None,
        "activation": scores.activation if scores else "",
        "tiouSteps": TIOU_STEPS,
        "loudness": [FLOOR, 0.0],
        "scores": np.quantile(ours, steps).tolist() if len(ours) else [],
        "videoCount": len(every),
        "provenance": dict(scores.provenance) if scores else {},
        "iteration": scores.iteration if scores else None,
        "videos": [entries.make(video) for video in track(chosen)],
    }


# What an entry has of one run; the rest is of the video.
OF_A_RUN = ("proposals", "instances", "kept", "videoScore", "snippets", "activation", "attention")
OF_A_RUN += ("seconds", "step")


def compared_content(
    one: Material,
    other: Material,
    page: Path,
    root: Path,
    differences: Sequence[Row] = (),
    shown: int = SHOWN,
    track: Callable[[Iterable], Iterable] = iter,
    *,
    note: str = "",
    resamples: int = 0,
) -> dict[str, Any]:
    """Return the content of a page with two runs on the same videos, for `viewer_page`.

    `differences` are rows of `compare` (class `all`) and `class_differences`: class, metric,
    a_value, b_value, difference, low, high (percent; NaN: no interval) and note. `note` is shown
    below them. Raises WstalError as `viewer_content` does.
    """
    content = viewer_content(one, page, root, shown, track)
    second = viewer_content(other, page, root, shown, track)
    for video, own in zip(content["videos"], second["videos"], strict=True):
        video["other"] = {key: own.get(key) for key in OF_A_RUN}
        video["end"] = max(video["end"], own["end"])
    names = ("about", "measured", "grid", "activation", "scores", "iteration", "provenance")
    content["other"] = {key: second[key] for key in names}
    if differences:
        rows = [_difference_row(row) for row in differences]
        content["differences"] = {"rows": rows, "note": note, "resamples": resamples}
    return content


def _difference_row(row: Row) -> dict[str, Any]:
    keys = {
        "a_value": "a",
        "b_value": "b",
        "difference": "difference",
        "low": "low",
        "high": "high",
    }
    numbers = {short: round(float(row[key]), 3) for key, short in keys.items()}
    known = {key: None if np.isnan(value) else value for key, value in numbers.items()}
    return {"class": row["class"], "metric": row["metric"], "note": row["note"], **known}


def _find_detections(material: Material) -> pd.DataFrame:
    """The detections, or else the events of the scores, with rows numbered from 0."""
    if material.found is not None:
        return material.found.reset_index(drop=True)
    if material.scores is None:
        return pd.DataFrame(columns=COLUMNS)
    return event_detections(material.scores)


def choose_videos(labels: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """Return at most `count` of the videos in `labels` ({id: video-level labels}), in order.

    Classes take turns, each with the video whose id has the smallest SHA-1, so that all classes
    are shown and the choice is the same everywhere. It does not depend on any model's output.
    Raises WstalError if `count` is not positive.
    """
    if count < 1:
        raise WstalError(f"{count} videos are too few for a page; ask for at least one")
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


def collect_measures(rows: Iterable[Row], protocol: Protocol) -> dict[str, Any]:
    """Return the means and the values per class that the page shows, of the last iterate.

    `rows` are those of map.csv; others than `protocol`'s are ignored. Returns
    `{"means": [{metric, value, coverage}], "of": metric, "classes": {name: value}}` in percent.
    The metric of the classes is the one by which a checkpoint is chosen, or the recall of events.
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
        "means": _select_means(own),
        "of": name,
        "classes": {
            row["class"]: row["value"]
            for row in own
            if row["metric"] == metric and row["class"] != ALL
        },
    }


def _select_means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The averages over tIoUs, the metrics without a tIoU, and mAP@0.50."""
    return [
        {key: row[key] for key in ("metric", "value", "coverage")}
        for row in rows
        if row["class"] == ALL
        and (":" in row["metric"] or "@" not in row["metric"] or row["metric"] == "mAP@0.50")
    ]


class Entries:
    """Makes the entry of each video of `material`.

    `found` are the detections shown, a frame as in `Material`, and `verdicts` the evaluator's
    results on them (None: nothing is scored). Video files below `root` are addressed relative to
    the page file `page`.
    """

    def __init__(
        self,
        material: Material,
        found: pd.DataFrame,
        verdicts: Verdicts | None,
        page: Path,
        root: Path,
    ) -> None:
        self.material, self.verdicts, self.page, self.root = material, verdicts, page, root
        self.classes = material.truth.classes
        self.seconds = judge_seconds(material)
        self._none = found[:0], material.truth.frame[:0]
        self._found = dict(iter(found.groupby("video_id", sort=False)))
        self._truth = dict(iter(material.truth.frame.groupby("video_id", sort=False)))

    def make(self, video: str) -> dict[str, Any]:
        """Return what is known of one video, its annotations and proposals, and its curves."""
        material = self.material
        row, kept = material.manifest.get(video, {}), material.coverage.get(video, {})
        # Of equal scores the later row ranks first, as in matching.
        found = self._found.get(video, self._none[0])[::-1]
        found = found.sort_values("score", ascending=False, kind="stable")
        truth = self._truth.get(video, self._none[1])
        path, labels = row.get("path", ""), material.truth.labels[video]
        known = float(row.get("duration") or 0) or material.truth.duration.get(video) or 0.0
        entry = {
            "id": video,
            "url": video_url(path, self.page, self.root),
            "doubtful": doubtful_format(path),
            "status": kept.get("status") or row.get("status", ""),
            "reason": kept.get("reason") or row.get("reason", ""),
            "size": [int(row.get(key) or 0) for key in ("width", "height")],
            "fps": float(row.get("fps") or 0),
            "labels": [self.classes.index(name) for name in labels],
            "annotated": video not in material.truth.unannotated,
            "instances": list_instances(truth, found, self.verdicts, self.classes),
            "proposals": pack_proposals(found, self.verdicts, self.classes),
            "duration": round(known, 3),
        }
        entry |= {"seconds": self.seconds[video]} if video in self.seconds else {}
        scored, covered = self._pack_scores(video, [*truth["label"], *labels], found)
        ends = [known, covered, *truth["t_end"], *([] if known else found["t_end"])]
        return entry | scored | {"end": round(float(max(ends)), 3)}

    def _pack_scores(
        self, video: str, annotated: list[str], found: pd.DataFrame
    ) -> tuple[dict[str, Any], float]:
        """The curves of the scores, the sound on their grid, and the second at which they end."""
        scores, columns = self.material.scores, self.material.columns
        own = scores.videos.get(video) if scores else None
        if own is None:
            return {}, 0.0
        video_score = own.video_score[[columns[name] for name in self.classes]]
        kept = choose_classes(annotated, found, video_score, self.classes)
        count, step = len(own.attention), scores.step_of(video)
        entry = pack_curves(own, columns, kept) | {
            "kept": [self.classes.index(name) for name in kept],
            "videoScore": [round(float(score), 4) for score in video_score],
        }
        if own.step is not None:
            entry["step"] = own.step
        if video in self.material.sounds:
            level = read_loudness(self.material.sounds[video], step, scores.t0, count)
            entry["sound"] = pack_curve(level, FLOOR, 0.0)
        return entry, scores.t0 + step * count


def judge_seconds(material: Material) -> dict[str, dict[str, list[int]]]:
    """Return per video the class of each second, annotated (truth) and predicted (given).

    Background is the last class. Only videos with scores, under a protocol of events.
    """
    scores, protocol = material.scores, material.protocol
    if protocol.task != "events" or scores is None:
        return {}
    order = [*material.columns.values(), len(material.columns)]
    events = {
        video: classify_seconds(
            own.cas[:, order], scores.t0, scores.step_of(video), protocol.seconds
        )
        for video, own in scores.videos.items()
    }
    judged = judge(material.truth, protocol, events)
    return {
        video: {"truth": true.tolist(), "given": given.tolist()}
        for video, true, given in zip(judged.videos, judged.labels, judged.given, strict=True)
        if video in events
    }


# Formats that browsers play, with few exceptions; the page tries others too.
PLAYED = (".mp4", ".m4v", ".webm", ".mov", ".ogv", ".ogg")


def video_url(path: str, page: str | Path, root: str | Path) -> str:
    """Return the address of a video file for the page file `page`; empty text for no path.

    A file below `root` (the project, which may move as a whole) is addressed relative to the page,
    any other by its absolute file URL. Symbolic links are not resolved.
    """
    if not path:
        return ""
    root = Path(os.path.abspath(root))  # noqa: PTH100
    video = Path(os.path.abspath(root / path_from(path)))  # noqa: PTH100
    if not video.is_relative_to(root):
        return video.as_uri()
    folder = Path(os.path.abspath(page)).parent  # noqa: PTH100
    relative = Path(os.path.relpath(video, folder)).as_posix()
    return quote("./" + relative, errors="surrogateescape")


def doubtful_format(path: str) -> str:
    """Return the suffix of a video file that browsers rarely play; empty text for others."""
    suffix = Path(path).suffix.lower()
    return "" if suffix in PLAYED else suffix.removeprefix(".")


def sound_files(shards: Iterable[Path]) -> dict[str, Path]:
    """Return the sound file of each video that has sound, from the manifests of its shards."""
    return {
        record.id: shard.parent / record.path
        for shard in shards
        for record in read_shard(shard)
        if record.usable and record.path and record.rows
    }


def read_loudness(path: Path, step: float, t0: float, count: int) -> np.ndarray:
    """Return the level of each snippet in dB of full scale, `[count]`, from FLOOR to 0.

    Snippet i spans `[t0 + i step, t0 + (i + 1) step)` seconds; after the sound's end it is silent.
    """
    with open_arrays(path) as file:
        sound, rate = file["sound"][()], int(file.attrs["rate"])
    sound = sound / 32768 if sound.dtype.kind == "i" else sound.astype(float)
    energy = np.append(0.0, np.cumsum(np.square(sound, dtype=float)))
    edges = np.rint((t0 + step * np.arange(count + 1)) * rate).astype(np.int64)
    edges = np.clip(edges, 0, len(sound))
    mean = np.diff(energy[edges]) / np.maximum(np.diff(edges), 1)
    return np.maximum(10 * np.log10(np.maximum(mean, 1e-12)), FLOOR)
