"""What every format is turned into: the videos, their segments and labels, and what got lost."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from wstal.base.errors import WstalError
from wstal.datasets.folder import video_id

MOST_SHIFT = 1e-3  # s; a larger change of a time counts as lost


class Segment(NamedTuple):
    """A segment of a video, in seconds, with the score of a prediction."""

    video: str
    start: float
    end: float
    label: str
    score: float | None = None


class Clip(NamedTuple):
    """What a video's own file says: its name in the folder; if known, its frame rate and length."""

    file: str
    rate: float | None = None
    seconds: float | None = None
    picture: tuple[int, int] | None = None  # width and height


@dataclass(frozen=True)
class Media:
    """What is known of videos besides the files that are converted.

    `fps` is the frame rate that a person gave for all of them. `prefix` stands before the names of
    files where a tool finds the videos.
    """

    clip: Callable[[str], Clip | None] = lambda video: None
    fps: float | None = None
    prefix: str = ""


@dataclass
class Timelines:
    """The content of a file: its videos in order, and what is known of them.

    `durations` are in seconds, `labels` the labels of whole videos, `subsets` train, val or test.
    `empty` are the videos in which somebody looked for segments and found none. `fps` are frame
    rates that the file names, `notes` what could not be read.
    """

    segments: list[Segment] = field(default_factory=list)
    videos: dict[str, None] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    subsets: dict[str, str] = field(default_factory=dict)
    empty: dict[str, None] = field(default_factory=dict)
    fps: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    media: Media = field(default_factory=Media)

    def add(
        self, video: str, start: float, end: float, label: str, score: float | None = None
    ) -> None:
        """Add a segment, and its video; note one that has no label or no length."""
        self.videos[video] = None
        if not label:
            self.notes.append(f"{video}: a segment without a label at {start:g} s")
        elif end > start >= 0:
            self.segments.append(Segment(video, start, end, label, score))
        else:
            self.notes.append(f"{video}: {label} at {start:g} s has no length")

    def known_rate(self, video: str) -> float | None:
        """Return the frame rate of a video, if it is known."""
        clip = self.media.clip(video)
        return self.media.fps or (clip and clip.rate) or self.fps.get(video)

    def rate(self, video: str) -> float:
        """Return the frame rate of a video; raise WstalError if it is not known."""
        if rate := self.known_rate(video):
            return rate
        raise WstalError(
            f"{video}: this format counts frames and its frame rate is not known; give --fps, "
            "or --videos with the folder of the videos"
        )

    def seconds(self, video: str) -> float | None:
        """Return how long a video is, if it is known."""
        clip = self.media.clip(video)
        return (clip and clip.seconds) or self.durations.get(video)

    def frames(self, video: str) -> int | None:
        """Return how many frames a video has, if its length is known."""
        seconds = self.seconds(video)
        return math.floor(seconds * self.rate(video) + 1e-3) if seconds else None

    def file(self, video: str) -> str:
        """Return the name of a video's file; MP4 if it is not known."""
        clip = self.media.clip(video)
        return clip.file if clip else f"{video}.mp4"

    def by_video(self) -> dict[str, list[Segment]]:
        """Return the segments of every video in order of time; those of a video without any: []."""
        found: dict[str, list[Segment]] = {video: [] for video in self.videos}
        for each in self.segments:
            found[each.video].append(each)
        return {video: sorted(own, key=_order) for video, own in found.items()}

    def classes(self) -> list[str]:
        """Return all labels, of segments and of videos, sorted."""
        whole = {name for names in self.labels.values() for name in names}
        return sorted({each.label for each in self.segments} | whole)

    def parts(self) -> Iterator[Timelines]:
        """Yield what is known of each video by itself."""
        for video, own in self.by_video().items():
            kept = {
                name: {video: values[video]} if video in (values := getattr(self, name)) else {}
                for name in ("durations", "labels", "subsets", "empty", "fps")
            }
            yield replace(self, segments=own, videos={video: None}, notes=[], **kept)


def _order(segment: Segment) -> tuple[float, float, str]:
    return segment.start, segment.end, segment.label


def join(parts: Iterable[Timelines], media: Media) -> Timelines:
    """Return the content of several files together."""
    whole = Timelines(media=media)
    for part in parts:
        whole.segments += part.segments
        whole.notes += part.notes
        for name in ("videos", "durations", "labels", "subsets", "empty", "fps"):
            getattr(whole, name).update(getattr(part, name))
    return whole


def video_name(path: str) -> str:
    """Return the id of the video that a tool names by a path or an address.

    A relative path keeps its folders, as ids of own videos do.
    """
    if path.startswith(("http://", "https://")):
        path = urlsplit(path).path
    path = unquote(path).replace("\\", "/").removeprefix("./")
    absolute = path.startswith("/") or re.match(r"[A-Za-z][\w+.-]*:", path) or ".." in path
    return video_id(PurePosixPath(path).name if absolute else path)


def find_losses(before: Timelines, after: Timelines) -> list[str]:
    """Return what `after`, read back from a file, has lost of `before`, a sentence each."""
    lost = []
    gone = [video for video in before.videos if video not in after.videos]
    if gone:
        lost.append(f"{len(gone)} videos without segments, such as {gone[0]}")
    missing, shifts, scores = 0, [], 0
    rest: dict[tuple[str, str], list[Segment]] = {}
    for each in after.segments:
        rest.setdefault((each.video, each.label), []).append(each)
    for each in sorted(before.segments, key=_order):
        near = rest.get((each.video, each.label), [])
        if not near:
            missing += 1
            continue
        best = min(near, key=lambda other: _shift(each, other))
        near.remove(best)
        shifts.append(_shift(each, best))
        scores += each.score is not None and best.score is None
    new = sum(map(len, rest.values()))
    if missing:
        lost.append(f"{missing} of {len(before.segments)} segments")
    if new:
        lost.append(f"{new} segments are new")
    if shifts and max(shifts) > MOST_SHIFT:
        lost.append(f"times: the largest change is {max(shifts):.3f} s")
    if scores:
        lost.append(f"the scores of {scores} segments")
    for name, noun in (
        ("durations", "durations"),
        ("labels", "labels of whole videos"),
        ("subsets", "splits"),
    ):
        known, kept = getattr(before, name), getattr(after, name)
        count = sum(kept.get(video) in (None, []) for video, value in known.items() if value)
        if count:
            lost.append(f"the {noun} of {count} videos")
    return lost


def _shift(one: Segment, other: Segment) -> float:
    return max(abs(one.start - other.start), abs(one.end - other.end))
