"""What may be a slip in own label files, and a first labels.csv for a folder of videos.

Label files that cannot be used are refused by their reader (folder.py); what is found here lets a
run go on, and its report lists it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from os.path import commonprefix
from pathlib import PurePosixPath

import numpy as np

from wstal.datasets.annotations import SUBSETS, Annotations
from wstal.datasets.folder import BACKGROUND, first_few

FEW = 3  # training videos below which a class is hardly learned
LEAST_LETTERS = 4  # of names that one wrong letter may make alike
LATE = 0.1  # s that a segment may end after its video: tools round times, and lengths, too
TEST_SHARE = 0.3  # of the videos of a class


def find_doubtful_labels(annotations: Annotations, unusable: Collection[str] = ()) -> list[str]:
    """Return what may be a slip in own label files, a sentence with its remedy each.

    `unusable` videos are known to have no file that can be read: nothing is learned from them.
    """
    return [
        *_find_alike(annotations.classes),
        *_find_rare(annotations, unusable),
        *_find_unmarked(annotations),
        *_find_unlisted(annotations),
    ]


def _find_alike(classes: Sequence[str]) -> Iterator[str]:
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(" ".join(name.replace("_", " ").casefold().split()), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            yield (
                f"{', '.join(names)} are {len(names)} classes; if they are one class, use one "
                "spelling."
            )
    for one, other in combinations(alike, 2):
        if _is_one_letter_off(one, other):
            yield (
                f"{alike[one][0]!r} and {alike[other][0]!r} differ in one letter; if they are one "
                "class, use one spelling."
            )


def _is_one_letter_off(one: str, other: str) -> bool:
    """Whether a letter was changed, left out or added, or two neighbours swapped; no digit."""
    short, long = sorted((one, other), key=len)
    if len(short) < LEAST_LETTERS or len(long) - len(short) > 1:
        return False
    start = len(commonprefix([short, long]))
    mine, its = short[start:], long[start:]
    swapped = mine[:2] == its[1::-1] and mine[2:] == its[2:]
    if not swapped and mine != its[1:] and mine[1:] != its[1:]:
        return False
    return not (mine[:1] + its[:1]).isdigit()


def _find_rare(annotations: Annotations, unusable: Collection[str]) -> Iterator[str]:
    listed = _videos_of_classes(annotations)["train"]
    trained = _videos_of_classes(annotations, unusable)["train"]
    for name in annotations.classes:
        if not trained[name]:
            reason = f"No training video has the class {name!r}"
            if listed[name]:
                reason = f"No training video of the class {name!r} can be read ({listed[name]})"
            yield (
                f"{reason}: it cannot be learned, but counts where scored. Give it training "
                "videos, or remove the label."
            )
    rare = [f"{name} ({trained[name]})" for name in annotations.classes if 0 < trained[name] < FEW]
    if rare:
        which = "training videos that can be read" if unusable else "training videos"
        yield (
            f"Classes with fewer than {FEW} {which}: {_shorten(rare)}. They are hardly "
            "learned; add videos, or move some from test to train."
        )


def find_late_segments(
    annotations: Annotations,
    seconds: Mapping[str, float],
    source: str,
    lines: Mapping[tuple[str, str, float, float], int],
) -> list[str]:
    """Return warnings on segments that are not within their video.

    `seconds` gives the length of videos, 0 if it is not known; `source` is the file that the
    segments are from, `lines` where they are in it (read_segment_lines), if it has lines.
    """
    found = []
    for video, entry in annotations.database.items():
        length = seconds.get(video, 0.0)
        for item in entry["annotations"] if length else ():
            start, end = item["segment"]
            line = lines.get((video, item["label"], start, end))
            where = f"video {video}" if line is None else f"line {line}"
            place = "lies behind the end of" if start >= length else "ends after"
            if end > length + LATE or start >= length:
                found.append(
                    f"{source}, {where}: the segment {start:g} to {end:g} s {place} its video "
                    f"{video!r} ({length:.2f} s). Correct the times (in seconds) or the video."
                )
    return first_few(found)


def _find_unmarked(annotations: Annotations) -> Iterator[str]:
    scored = {v: e for v, e in annotations.database.items() if e["subset"] != "train"}
    unmarked = [video for video, each in scored.items() if not each.get("annotated", True)]
    empty = [
        video
        for video, each in scored.items()
        if each.get("annotated", True) and each["labels"] and not each["annotations"]
    ]
    if empty and annotations.has_segments("test"):
        yield (
            f"Videos with labels that are annotated as without segments: {_shorten(empty)}. Every "
            "detection in them counts as a false alarm; annotate their segments, or correct the "
            "labels."
        )
    if unmarked and annotations.has_segments("test"):
        yield (
            f"Videos without annotated segments: {_shorten(unmarked)}. Their segments are not "
            "scored; to score them as showing no action, list them in segments.csv as `video,,,` "
            '(in JSON "annotated": true).'
        )
    unnamed = [video for video, each in scored.items() if not each.get("labelled", True)]
    if unnamed:
        yield (
            f"Videos without labels: {_shorten(unnamed)}. video_mAP leaves them out; write "
            f"{BACKGROUND} for those that show none of the classes."
        )


def _find_unlisted(annotations: Annotations) -> Iterator[str]:
    unlisted = {
        f"{video} {item['label']!r}": None
        for video, each in annotations.database.items()
        for item in each["annotations"]
        if item["label"] not in each["labels"]
    }
    if unlisted:
        yield (
            "Classes that segments give a video, but its row of the labels does not: "
            f"{_shorten(list(unlisted))}. Training and video_mAP use the row."
        )


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)})" if len(names) > 5 else "")


def _videos_of_classes(
    annotations: Annotations, unusable: Collection[str] = ()
) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {subset: Counter() for subset in SUBSETS}
    for video, entry in annotations.database.items():
        if video not in unusable:
            counts[entry["subset"]].update(entry["labels"])
    return counts


def class_counts(annotations: Annotations) -> list[list[object]]:
    """Return a row per class, then one of videos: name, videos of each subset, segments."""
    videos = _videos_of_classes(annotations)
    segments = Counter(
        item["label"] for entry in annotations.database.values() for item in entry["annotations"]
    )
    rows = [
        [name, *(videos[subset][name] for subset in SUBSETS), segments[name]]
        for name in annotations.classes
    ]
    totals = [len(annotations.ids(subset)) for subset in SUBSETS]
    return [*rows, ["all videos", *totals, segments.total()]]


def propose_labels(
    names: Iterable[str], seed: int = 0, test: float = TEST_SHARE
) -> list[dict[str, str]]:
    """Return rows of labels.csv for videos named by their paths below the folder.

    A sub-folder named as a subset is the split, any other the label (of several the innermost).
    Where no folder states a split, the share `test` of the videos of each label, drawn from
    `seed`, is for testing: at least one if the label has two videos.
    """
    rows = []
    for name in sorted(names):
        folders = [part for part in PurePosixPath(name).parts[:-1] if part not in (".", "..")]
        labels = [part for part in folders if part.lower() not in SUBSETS]
        splits = [part.lower() for part in folders if part.lower() in SUBSETS]
        rows.append(
            {
                "video": name,
                "labels": (labels[-1:] or [""])[0].replace(";", ","),
                "split": (splits[-1:] or [""])[0],
            }
        )
    if not any(row["split"] for row in rows):
        _draw_split(rows, seed, test)
    return rows


def _draw_split(rows: Sequence[dict[str, str]], seed: int, test: float) -> None:
    rng = np.random.default_rng(seed)
    by_label: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_label.setdefault(row["labels"], []).append(row)
    for label in sorted(by_label):
        own = by_label[label]
        count = min(max(round(test * len(own)), 1), len(own) - 1)
        drawn = set(rng.permutation(len(own))[:count].tolist())
        for number, row in enumerate(own):
            row["split"] = "test" if number in drawn else "train"


def find_shared_content(
    prints: Mapping[str, tuple[str, str, float]], subsets: Mapping[str, str]
) -> list[str]:
    """Return warnings on videos of different subsets that are, or seem to be, one recording.

    `prints` gives per video the SHA-256 of its file, a digest of its sound ("" for none, or where
    no other subset has a file of that size or length) and its length in seconds.
    """
    found, known = [], set()
    for column, words in ((0, "are the same file"), (1, "have the same sound and length")):
        groups: dict[tuple, list[str]] = {}
        for video, print_ in prints.items():
            if print_[column]:
                key = (print_[column], round(print_[2], 1) if column else 0)
                groups.setdefault(key, []).append(video)
        for videos in groups.values():
            split = [f"{video} ({subsets[video]})" for video in videos]
            if len({subsets[video] for video in videos}) > 1 and not known >= set(videos):
                known |= set(videos)
                found.append(
                    f"{_shorten(split)} {words}: what is trained on would be tested. Keep them in "
                    "one split."
                )
    return found
