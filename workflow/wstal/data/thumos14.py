"""THUMOS14: from any of its published annotation sets to one database, every choice counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wstal.data.annotations import Annotations
from wstal.data.published import (
    NothingThere,
    PublishedSet,
    PublishedVideo,
    Segment,
    differences,
    digests,
    exclusion_lists,
)
from wstal.data.report import REPEATED, Choice, Report, Tally
from wstal.data.thumos14_files import SUBSETS, VIDEO_ID, read_sources
from wstal.errors import WstalError

ASSUMED_FPS = 30.0
SNIPPETS_PER_SECOND = 25 / 16
CHOICES = (
    Choice(
        "source",
        "three forms circulate; the others found are compared below",
        {
            "auto": "official text files, else the numpy set, else JSON",
            "official": "one text file per class and subset",
            "numpy": "the set of W-TALC and CO2-Net",
            "json": "an ActivityNet-style database",
        },
    ),
    Choice(
        "video_labels",
        "labels_all.npy disagrees with the labels of the instances; W-TALC and CO2-Net train on "
        "labels_all, BaS-Net and ACM-Net on the instances",
        {
            "instances": "a video carries the classes of its instances",
            "labels_all": "as labels_all.npy says",
        },
    ),
    Choice(
        "out_of_range",
        "segments that start after the end of their video can only be missed",
        {"keep": "count them, as the published evaluations do", "drop": "leave them out"},
        times=True,
    ),
    Choice(
        "zero_length",
        "a segment without length overlaps nothing",
        {"drop": "leave them out", "keep": "count them"},
        times=True,
    ),
    REPEATED,
    Choice(
        "cliff_diving",
        "every CliffDiving segment is annotated as Diving too: its videos have two labels",
        {"both": "both classes, as published", "cliff_only": "without the Diving twin"},
    ),
    Choice(
        "ambiguous_only",
        "video_test_0001292 has ambiguous segments and no instance of the 20 classes",
        {"list": "a test video without instances", "leave_out": "not in the database"},
    ),
    Choice(
        "assumed_duration",
        "durations computed at 30 fps for every video are wrong for those at 24 and 25",
        {"drop": "measure them on the videos instead", "keep": "believe the file"},
    ),
)


def read_thumos14(
    files: Sequence[Path], wanted: Mapping[str, str], facts: Mapping[str, Any]
) -> tuple[Annotations, Report]:
    """Read THUMOS14 from `files`, in whichever form they are.

    `wanted` overrides CHOICES; `facts` has `classes`, `lists` (name -> `without`, `videos`) and
    `ambiguous_only` (ids). Raises WstalError if no set is among the files or one is damaged.
    """
    tally = Tally(CHOICES, wanted)
    sources = read_sources(files, facts["classes"])
    form = tally.values["source"]
    form = next(iter(sources), "auto") if form == "auto" else form
    if form not in sources:
        kind = "" if form == "auto" else f" of the form {form}"
        raise NothingThere(f"no THUMOS14 annotations{kind} among the files")
    tally.values["source"] = form
    chosen, others = sources[form], [each for name, each in sources.items() if name != form]
    report = Report(f"THUMOS14, {chosen.name}", digests(chosen.files))
    for other in others:
        found = differences(chosen, other) or ["the same videos and segments"]
        report.notes.append(f"Compared with {other.name}: {'; '.join(found)}.")
    borrowed = _complete(chosen, others, tally)
    database = {video: _entry(video, chosen.videos[video], tally) for video in chosen.videos}
    for video in facts.get("ambiguous_only", []):
        if video not in database and video in chosen.ambiguous:
            tally.add("ambiguous_only", video)
            if tally.values["ambiguous_only"] == "list":
                subset = _subset(video, VIDEO_ID.match(video)[1])
                empty = {"duration": None, "labels": [], "annotations": []}
                database[video] = {"subset": subset, **empty}
    database = dict(sorted(database.items()))
    report.decisions = tally.decisions()
    report.notes += borrowed + _notes(sources, chosen, facts)
    lists, absent = exclusion_lists(database, facts.get("lists", {}))
    report.notes += absent
    report.notes.append(_collapsing(database))
    for video, times in chosen.ambiguous.items():
        if video in database:
            database[video]["ambiguous"] = times
    if any(video.startswith("video_test_") for video in chosen.ambiguous):
        lists["ambiguous"] = [video for video, entry in database.items() if "ambiguous" in entry]
    return Annotations(list(facts["classes"]), database, lists), report


def _complete(chosen: PublishedSet, others: Sequence[PublishedSet], tally: Tally) -> list[str]:
    """Take away durations that assume 30 fps; fill what is absent from the other sets."""
    for each in (chosen, *others):
        timed = [video for video in each.videos.values() if video.frames and video.duration]
        if timed and all(abs(v.duration - v.frames / ASSUMED_FPS) < 1e-3 for v in timed):
            for name, video in each.videos.items():
                if each is chosen:
                    tally.add("assumed_duration", name)
                if each is not chosen or tally.values["assumed_duration"] == "drop":
                    video.duration = None
    notes = []
    for what in ("duration", "labels"):
        for other in others:
            taken = 0
            for name, video in chosen.videos.items():
                value = getattr(other.videos.get(name), what, None)
                if getattr(video, what) is None and value is not None:
                    setattr(video, what, value)
                    taken += 1
            if taken:
                notes.append(f"The {what} of {taken} videos is taken from {other.name}.")
    return notes


def _entry(video: str, published: PublishedVideo, tally: Tally) -> dict[str, Any]:
    kept = _kept(video, published, tally)
    twins = _twins(published) if tally.values["cliff_diving"] == "cliff_only" else set()
    # Of all segments, kept or not: what is decided about times concerns no label.
    labels = {segment[2] for segment in published.segments if segment not in twins}
    if published.labels is None and tally.values["video_labels"] == "labels_all":
        raise WstalError(
            "choices.video_labels: labels_all needs labels_all.npy of the numpy set; put that set "
            "beside the other files, or choose instances"
        )
    if published.labels is not None and labels != set(published.labels):
        tally.add("video_labels", video)
        if tally.values["video_labels"] == "labels_all":
            labels = set(published.labels)
    return published.entry(_subset(video, published.subset), labels, kept)


def _subset(video: str, word: str) -> str:
    named = VIDEO_ID.match(video)
    if not named or SUBSETS.get(word) != SUBSETS[named[1]]:
        raise WstalError(f"video {video}, subset {word!r}: this is not THUMOS14's naming")
    return SUBSETS[word]


def _kept(video: str, published: PublishedVideo, tally: Tally) -> list[Segment]:
    """The segments that stay, in time order."""
    twins = _twins(published)
    kept: list[Segment] = []
    for each in sorted(published.segments):
        start, end, _ = each
        traps = {
            "out_of_range": published.duration is not None and start >= published.duration,
            "zero_length": end <= start,
            "repeated": each in kept,
            "cliff_diving": each in twins,
        }
        stays = tally.keeps(video, traps)
        if stays and not (each in twins and tally.values["cliff_diving"] == "cliff_only"):
            kept.append(each)
    return kept


def _twins(published: PublishedVideo) -> set[Segment]:
    """The Diving segments at the times of a CliffDiving one."""
    cliffs = {(start, end) for start, end, label in published.segments if label == "CliffDiving"}
    return {s for s in published.segments if s[2] == "Diving" and s[:2] in cliffs}


def _collapsing(database: Mapping[str, Mapping[str, Any]]) -> str:
    times = [
        [round(time * SNIPPETS_PER_SECOND) for time in item["segment"]]
        for entry in database.values()
        if entry["subset"] == "test"
        for item in entry["annotations"]
    ]
    return (
        f"{sum(start == end for start, end in times)} test instances have no length in whole "
        "snippets of 16 frames at 25 per second (protocols with `units: snippets`): there they "
        "can only be missed."
    )


def _notes(
    sources: Mapping[str, PublishedSet], chosen: PublishedSet, facts: Mapping[str, Any]
) -> list[str]:
    notes = list(chosen.notes)
    for subset in ("validation", "test"):
        named = {v: times for v, times in chosen.ambiguous.items() if f"_{subset}_" in v}
        notes.append(
            f"Ambiguous segments, {subset}: {sum(map(len, named.values()))} in {len(named)} "
            "videos. They are kept apart from the instances; the protocol says whether a "
            "detection that meets one is dropped (`filter`) or counted (`ignore`)."
            if named
            else f"Ambiguous_{subset[:3] if subset[0] == 'v' else subset}.txt is not there: a "
            "protocol that filters by it cannot be evaluated."
        )
    for source in sources.values():
        rates = Counter(round(v.fps, 2) for v in source.videos.values() if v.fps)
        if rates:
            seen = ", ".join(f"{count} videos at {rate:g}" for rate, count in rates.most_common())
            notes.append(
                f"Frame rates by {source.name}: {seen}. No time is derived from them: segments "
                "are in seconds, features are made at the recipe's rate."
            )
    if untimed := sum(video.duration is None for video in chosen.videos.values()):
        notes.append(
            f"{untimed} videos have no duration in these files, so segments beyond their end are "
            f"not counted here; known: {facts.get('out_of_range', 'none')}. The manifest has the "
            "durations measured on the videos."
        )
    return notes
