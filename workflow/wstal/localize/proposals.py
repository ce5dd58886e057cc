"""From proposals in snippets to detections in seconds, and their files in ActivityNet's layout.

Two readings of scores stand beside a method's own: seconds with a class each (`event_detections`),
and scores without attention (`constant_attention`).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.files import atomic_path, write_json
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import runs

VERSION = "wstal-proposals-1"
COLUMNS = ["video_id", "t_start", "t_end", "label", "score"]


def detection_frame(scores: Scores, propose: Callable[[VideoScores], np.ndarray]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `propose` gives a video's proposals as float64 `[N, 4]` of start, end (snippets, fractions
    allowed), class, score. Videos in the order of `scores`, proposals in the order given.
    """
    parts = []
    for video, values in scores.videos.items():
        found = propose(values)
        # A row of a stride beyond its extent speaks for a little before the video.
        times = np.maximum(scores.t0 + found[:, :2] * scores.step_of(video), 0)
        labels = [scores.classes[int(label)] for label in found[:, 2]]
        columns = [video, times[:, 0], times[:, 1], labels, found[:, 3]]
        parts.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame({name: [] for name in COLUMNS})
    return pd.concat(parts, ignore_index=True)


def class_rows(segments: np.ndarray, label: int, scores: np.ndarray) -> np.ndarray:
    """Segments `[N, 2]` of one class with their scores `[N]` as rows float64 `[N, 4]`."""
    columns = (segments, np.full((len(segments), 1), label), scores[:, None])
    return np.concatenate(columns, axis=1, dtype=np.float64)


def all_rows(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The rows of several classes under each other; `[0, 4]` if there are none."""
    return np.concatenate([np.empty((0, 4)), *parts])


def summary(scores: Scores, detections: pd.DataFrame) -> str:
    """One line to watch: attention that sinks to 0 and leaves no proposals is a known failure."""
    attention = [float(video.attention.mean(dtype="float64")) for video in scores.videos.values()]
    mean = sum(attention) / max(len(attention), 1)
    return (
        f"iteration {scores.iteration}: {len(detections)} proposals in {len(attention)} videos, "
        f"mean attention {mean:.3f}"
    )


def as_results(detections: pd.DataFrame, ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Detections per video; a video without any is there with an empty list.

    Further columns of `detections` become further keys.
    """
    results: dict[str, list[dict[str, Any]]] = {video: [] for video in ids}
    more = [name for name in detections if name not in COLUMNS]
    for row in detections.itertuples(index=False):
        segment = [round(float(row.t_start), 6), round(float(row.t_end), 6)]
        entry = {"segment": segment, "score": float(row.score), "label": row.label}
        entry |= {name: round(float(getattr(row, name)), 6) for name in more}
        results[row.video_id].append(entry)
    return results


def write_proposals(
    path: str | Path, detections: pd.DataFrame, scores: Scores, config: Mapping[str, Any]
) -> None:
    """Write proposals.json: what was found in every scored video, and what found it."""
    provenance = {**scores.provenance, "iteration": scores.iteration, "localize": dict(config)}
    content = {
        "version": VERSION,
        "results": as_results(detections, scores.videos),
        "external_data": {"provenance": provenance},
    }
    write_json(path, content, indent=None)


def write_proposals_by_iteration(
    path: str | Path, found: Iterable[tuple[Scores, pd.DataFrame]], config: Mapping[str, Any]
) -> None:
    """Write proposals_by_iteration.json.gz: `iterations` maps each to its `results`."""
    iterations = {str(s.iteration): as_results(frame, s.videos) for s, frame in found}
    content = {
        "version": VERSION,
        "iterations": iterations,
        "external_data": {"provenance": {"localize": dict(config)}},
    }
    # No time stamp and no name inside: equal content is equal bytes.
    text = json.dumps(content, allow_nan=False).encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(text, compresslevel=6, mtime=0))


def event_detections(scores: Scores) -> pd.DataFrame:
    """Return the stretches whose likeliest class is the same action, scored by its mean `cas`.

    They are what a run that names a class for every second finds. A frame video_id, t_start, t_end
    (seconds), label, score.
    """
    return detection_frame(scores, _stretches)


def _stretches(video: VideoScores) -> np.ndarray:
    likeliest, found = video.cas.argmax(1), []
    for label in range(video.cas.shape[1] - 1):
        segments = runs(likeliest == label)
        score = np.array([video.cas[start:stop, label].mean() for start, stop in segments])
        found.append(class_rows(segments, label, score))
    return all_rows(found)


def constant_attention(scores: Scores) -> Scores:
    """Return scores with one attention at every snippet: what classification alone would find.

    The attention is 1, or the highest of all videos where attentions are unbounded: it passes any
    threshold.
    """
    top = max([1.0, *(float(v.attention.max()) for v in scores.videos.values())])
    videos = {
        video: replace(
            v,
            attention=np.full_like(v.attention, top),
            attentions={name: np.full_like(a, top) for name, a in v.attentions.items()},
        )
        for video, v in scores.videos.items()
    }
    return replace(scores, videos=videos)
