"""What the page holds: the run, its numbers, and every video shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.evaluate.detections import COLUMNS, check_detections
from wstal.localize.events import event_detections
from wstal.viewer.choice import chosen_videos
from wstal.viewer.entries import Entries
from wstal.viewer.loudness import FLOOR
from wstal.viewer.material import Material
from wstal.viewer.measures import measures
from wstal.viewer.packing import TIOU_STEPS
from wstal.viewer.verdicts import verdicts

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
