"""What was found in one video, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from wstal.atomic import write_text
from wstal.inference.subtitles import subtitles
from wstal.localize.detection_frame import COLUMNS
from wstal.localize.detections import write_proposals
from wstal.localize.scores import Scores
from wstal.plots.style import save
from wstal.plots.timeline import plot_timeline
from wstal.store import safe_name


@dataclass(frozen=True)
class Localization:
    """Detections (video_id, t_start, t_end in seconds, label, score) and what they come from.

    `row` is the video's row of a manifest, `run` the name of the run with its seed, `localize`
    the config that made detections of the scores.
    """

    id: str
    row: Mapping[str, Any]
    run: str
    scores: Scores
    detections: pd.DataFrame
    localize: Mapping[str, Any]

    def at_least(self, score: float | None) -> Localization:
        """The same without detections of a lower score; None keeps all."""
        if score is None:
            return self
        return replace(self, detections=self.detections[self.detections["score"] >= score])


def save_localization(
    found: Localization, folder: Path, picture: str = "svg", subtitled: bool = False
) -> None:
    """Write {id}.json, in ActivityNet's format, and {id}.{picture} (svg, png, none) atomically.

    `subtitled` adds {id}.srt.
    """
    name = safe_name(found.id)
    write_proposals(folder / f"{name}.json", found.detections, found.scores, found.localize)
    if subtitled:
        write_text(folder / f"{name}.srt", subtitles(found.detections))
    if picture != "none":
        truth = pd.DataFrame(columns=COLUMNS)
        figure = plot_timeline(found.id, found.scores, truth, found.detections, found.run)
        save(figure, folder / f"{name}.{picture}")
