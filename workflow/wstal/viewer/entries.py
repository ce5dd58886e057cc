"""The videos of a page, one by one, as plain values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from wstal.evaluate.events import judge, second_answers
from wstal.viewer.material import FLOOR, Material, read_loudness
from wstal.viewer.packing import (
    Verdicts,
    curve,
    curves,
    instance_rows,
    kept_classes,
    proposal_columns,
)

# FOLDED Where a page finds a video file.

# What browsers play, with few exceptions; others are tried all the same.
PLAYED = (".mp4", ".m4v", ".webm", ".mov", ".ogv", ".ogg")


def video_url(path: str, page: str | Path, root: str | Path) -> str:
    """The address of a video file for the page file `page`; empty text for no path.

    A file below `root` (the project, moved or copied as a whole) is named relative to the page,
    any other by its absolute file URL. Links are left as they are.
    """
    if not path:
        return ""
    video, root = Path(os.path.abspath(path)), Path(os.path.abspath(root))  # noqa: PTH100
    if not video.is_relative_to(root):
        return video.as_uri()
    folder = Path(os.path.abspath(page)).parent  # noqa: PTH100
    return quote("./" + Path(os.path.relpath(video, folder)).as_posix())


def doubtful_format(path: str) -> str:
    """The suffix of a video file that browsers rarely play; empty text for the others."""
    suffix = Path(path).suffix.lower()
    return "" if suffix in PLAYED else suffix.removeprefix(".")


class Entries:
    """Makes the entry of each video of `material`.

    `found` are the detections shown, a frame as in `Material`, and `said` what the evaluator
    says of them (None: nothing is scored). Video files below `root` are addressed relative to
    the page file `page`.
    """

    def __init__(
        self, material: Material, found: pd.DataFrame, said: Verdicts | None, page: Path, root: Path
    ) -> None:
        self.material, self.said, self.page, self.root = material, said, page, root
        self.classes = material.truth.classes
        self.seconds = answered_seconds(material)
        self._none = found[:0], material.truth.frame[:0]
        self._found = dict(iter(found.groupby("video_id", sort=False)))
        self._truth = dict(iter(material.truth.frame.groupby("video_id", sort=False)))

    def __call__(self, video: str) -> dict[str, Any]:
        """What is known of one video, what was annotated and found, and its curves."""
        material = self.material
        row, kept = material.manifest.get(video, {}), material.coverage.get(video, {})
        # Of equal scores the later row ranks first, as matching has it.
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
            "instances": instance_rows(truth, found, self.said, self.classes),
            "proposals": proposal_columns(found, self.said, self.classes),
            "duration": round(known, 3),
        }
        entry |= {"seconds": self.seconds[video]} if video in self.seconds else {}
        scored, covered = self._scored(video, [*truth["label"], *labels], found)
        ends = [known, covered, *truth["t_end"], *([] if known else found["t_end"])]
        return entry | scored | {"end": round(float(max(ends)), 3)}

    def _scored(
        self, video: str, annotated: list[str], found: pd.DataFrame
    ) -> tuple[dict[str, Any], float]:
        """What the scores say, the sound on their grid, and the second at which they end."""
        scores, columns = self.material.scores, self.material.columns
        own = scores.videos.get(video) if scores else None
        if own is None:
            return {}, 0.0
        video_score = own.video_score[[columns[name] for name in self.classes]]
        kept = kept_classes(annotated, found, video_score, self.classes)
        count = len(own.attention)
        entry = curves(own, columns, kept) | {
            "kept": [self.classes.index(name) for name in kept],
            "videoScore": [round(float(score), 4) for score in video_score],
        }
        if video in self.material.sounds:
            level = read_loudness(self.material.sounds[video], scores.step, scores.t0, count)
            entry["sound"] = curve(level, FLOOR, 0.0)
        return entry, scores.t0 + scores.step * count


def answered_seconds(material: Material) -> dict[str, dict[str, list[int]]]:
    """Per video the class of each second, annotated (truth) and given; background is last.

    Of the videos with scores that a protocol of events scores; of other tasks none.
    """
    scores, protocol = material.scores, material.protocol
    if protocol.task != "events" or scores is None:
        return {}
    order = [*material.columns.values(), len(material.columns)]
    events = {
        video: second_answers(own.cas[:, order], scores.t0, scores.step, protocol.seconds)
        for video, own in scores.videos.items()
    }
    judged = judge(material.truth, protocol, events)
    return {
        video: {"truth": true.tolist(), "given": given.tolist()}
        for video, true, given in zip(judged.videos, judged.labels, judged.given, strict=True)
        if video in events
    }
