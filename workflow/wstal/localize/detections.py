"""Proposals as files: ActivityNet's JSON layout, seconds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wstal.atomic import atomic_path, write_json
from wstal.localize.scores import Scores

VERSION = "wstal-proposals-1"


def summary(scores: Scores, detections: pd.DataFrame) -> str:
    """One line to watch: attention that sinks to 0 and leaves no proposals is a known failure."""
    attention = [float(video.attention.mean(dtype="float64")) for video in scores.videos.values()]
    mean = sum(attention) / max(len(attention), 1)
    return (
        f"iteration {scores.iteration}: {len(detections)} proposals in {len(attention)} videos, "
        f"mean attention {mean:.3f}"
    )


def as_results(detections: pd.DataFrame, ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Detections per video; a video without any is there with an empty list."""
    results: dict[str, list[dict[str, Any]]] = {video: [] for video in ids}
    for row in detections.itertuples(index=False):
        segment = [round(float(row.t_start), 6), round(float(row.t_end), 6)]
        entry = {"segment": segment, "score": float(row.score), "label": row.label}
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
    """Write proposals_by_iteration.json.gz: `iterations` maps each to what `results` holds."""
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
