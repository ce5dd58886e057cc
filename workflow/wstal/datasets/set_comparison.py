"""Published annotation sets of one dataset against each other: counts, and what differs.

Every set among some files is found by its content: JSON databases, numpy sets, THUMOS14's official
text files, AVE's rows with their split. Nothing is chosen or repaired: the tables show the sets as
they circulate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets import thumos14
from wstal.datasets.activitynet import ID_LENGTH
from wstal.datasets.ave import ORDERS, ROWS, SETS, read_ave
from wstal.datasets.published_sets import (
    DURATION_TOLERANCE,
    LabelledVideo,
    PublishedSet,
    Segment,
    numpy_folders,
    read_database,
    read_numpy_set,
    read_texts,
)
from wstal.datasets.report import markdown_table

ROUNDED = 0.1001  # seconds: times that differ by less were written with fewer decimals
SUBSET_ORDER = ("training", "train", "validation", "val", "testing", "test")
COUNTED = [
    "set",
    "subset",
    "videos",
    "instances",
    "classes",
    "several labels",
    "other video labels",
    "durations",
]
PAIRS = [
    "first",
    "second",
    "videos in both",
    "only first",
    "only second",
    "same segments",
    "within 0.1 s",
    "other times",
    "other labels",
    f"durations over {DURATION_TOLERANCE} s apart",
]
LISTS = ["list", "ids", *(f"in {what}" for what in ("which set", "of its videos"))]


def find_sets(files: Sequence[Path]) -> list[PublishedSet]:
    """Return every published set among `files`, named by its file, ids without a leading `v_`.

    Raises WstalError for a set that is damaged.
    """
    sets = [read_database(path) for path in sorted(files) if path.suffix.lower() == ".json"]
    for folder in sorted(numpy_folders(files)):
        sets.append(replace(read_numpy_set(folder), name=f"{folder.name} (numpy)"))
    if official := thumos14.read_official(files):
        sets.append(official)
    sets += _ave_sets(files)
    return [_plain_ids(each) for each in sets if each]


def _plain_ids(found: PublishedSet) -> PublishedSet:
    """The set with ActivityNet's ids as the videos are called on the web."""
    videos = {
        name[2:] if name.startswith("v_") and len(name) == ID_LENGTH + 2 else name: video
        for name, video in found.videos.items()
    }
    return replace(found, videos=videos)


def _ave_sets(files: Sequence[Path]) -> list[PublishedSet]:
    named = {path.name: path for path in files}
    if ROWS not in named:
        return []
    found = []
    for split, names in (("order", ORDERS), ("text", SETS)):
        if set(names.values()) <= set(named):
            read, _ = read_ave(files, {"split": split, "background_clips": "leave_out"}, {})
            name = f"{ROWS} with the {split} files"
            videos = {
                video: LabelledVideo(entry["subset"], _segments(entry), entry["duration"])
                for video, entry in read.database.items()
            }
            found.append(PublishedSet(name, [named[ROWS]], videos))
    return found


def _segments(entry: dict[str, Any]) -> list[Segment]:
    return [(*item["segment"], item["label"]) for item in entry["annotations"]]


def count_rows(sets: Iterable[PublishedSet]) -> list[list[Any]]:
    """Return a row of COUNTED per set and subset."""
    rows = []
    for each in sets:
        words = {video.subset for video in each.videos.values()}
        for word in sorted(words, key=_subset_place):
            videos = [video for video in each.videos.values() if video.subset == word]
            labels = [{label for _, _, label in video.segments} for video in videos]
            rows.append(
                [
                    each.name,
                    word,
                    len(videos),
                    sum(len(video.segments) for video in videos),
                    len(set().union(*labels)),
                    sum(len(names) > 1 for names in labels),
                    sum(
                        video.labels is not None and set(video.labels) != names
                        for video, names in zip(videos, labels, strict=True)
                    ),
                    sum(video.duration is not None for video in videos),
                ]
            )
    return rows


def _subset_place(word: str) -> tuple[int, str]:
    return (SUBSET_ORDER.index(word) if word in SUBSET_ORDER else len(SUBSET_ORDER), word)


def pair_rows(sets: Sequence[PublishedSet]) -> list[list[Any]]:
    """Return a row of PAIRS for every two sets that share a video."""
    rows = []
    for a, b in combinations(sets, 2):
        both = sorted(set(a.videos) & set(b.videos))
        if not both:
            continue
        kinds = [_difference(a.videos[v].segments, b.videos[v].segments) for v in both]
        times = [(a.videos[v].duration, b.videos[v].duration) for v in both]
        rows.append(
            [a.name, b.name, len(both), len(a.videos) - len(both), len(b.videos) - len(both)]
            + [kinds.count(kind) for kind in ("same", "rounded", "times", "labels")]
            + [sum(bool(x and y and abs(x - y) > DURATION_TOLERANCE) for x, y in times)]
        )
    return rows


def _difference(a: Sequence[Segment], b: Sequence[Segment]) -> str:
    """How the segments of a video differ: same, rounded, times, or labels (other class names)."""
    a, b = (sorted(each, key=lambda s: (s[2], s[0], s[1])) for each in (a, b))
    if a == b:
        return "same"
    if {label for *_, label in a} != {label for *_, label in b}:
        return "labels"
    if [label for *_, label in a] == [label for *_, label in b]:
        apart = [
            abs(x - y) for s, t in zip(a, b, strict=True) for x, y in zip(s[:2], t[:2], strict=True)
        ]
        if max(apart) < ROUNDED:
            return "rounded"
    return "times"


def list_rows(files: Sequence[Path], sets: Sequence[PublishedSet]) -> list[list[Any]]:
    """Return a row of LISTS per text file of one id per line, for the set that has most of them."""
    rows = []
    for _, name, text in read_texts(sorted(files)):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or any(len(line.split()) > 1 for line in lines):
            continue
        ids = {line[2:] if line.startswith("v_") else line for line in lines}
        best = max(sets, key=lambda each: len(ids & set(each.videos)), default=None)
        if best and (known := len(ids & set(best.videos))):
            rows.append([name, len(ids), best.name, known])
    return rows


def comparison_page(files: Sequence[Path]) -> str:
    """Return the tables of all sets among `files` in Markdown, a section per dataset.

    Sets that share half of the smaller one's videos belong to one dataset. Raises WstalError if
    there is no set.
    """
    groups = _group(find_sets(files))
    if not groups:
        raise WstalError(f"no published annotation set is among the {len(files)} files")
    blocks: list[str] = []
    for group in sorted(groups, key=_title):
        blocks += [f"## {_title(group)}", markdown_table(COUNTED, count_rows(group))]
        if pairs := pair_rows(group):
            blocks.append(markdown_table(PAIRS, pairs))
        if lists := list_rows(files, group):
            blocks.append(markdown_table(LISTS, lists))
    return "\n\n".join(blocks) + "\n"


def _group(sets: Iterable[PublishedSet]) -> list[list[PublishedSet]]:
    groups: list[list[PublishedSet]] = []
    for each in sets:
        akin = [group for group in groups if any(_is_akin(each, other) for other in group)]
        groups = [g for g in groups if g not in akin]
        groups.append([other for g in akin for other in g] + [each])
    return groups


def _is_akin(a: PublishedSet, b: PublishedSet) -> bool:
    shared = set(a.videos) & set(b.videos)
    return len(shared) >= min(len(a.videos), len(b.videos)) / 2


def _title(group: Sequence[PublishedSet]) -> str:
    if any(ROWS in each.name for each in group):
        return "AVE"
    thumos = any(thumos14.VIDEO_ID.match(video) for each in group for video in each.videos)
    return "THUMOS14" if thumos else "ActivityNet"
