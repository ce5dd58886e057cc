"""Baselines without learning, scored by the same evaluator: what a method has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.detections import COLUMNS
from wstal.evaluate.events import judge
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import ALL, detection_rows, event_rows, has_segments
from wstal.evaluate.protocols import Protocol, prepare, split_annotated

BASELINE_COLUMNS = ["baseline", "seed", "protocol", "metric", "value", "coverage"]
PROPOSALS = 30  # per video, or per video and true class
SHORTEST = 1.0  # seconds
Labels = Mapping[str, Sequence[str]]


def random_proposals(
    durations: Mapping[str, float], classes: Sequence[str], seed: int
) -> pd.DataFrame:
    """Return 30 segments per video of random class, place, length and score.

    `durations` are in seconds. Lengths are log-uniform from one second to the video's length.
    """
    rng = np.random.default_rng(seed)
    videos = np.repeat(list(durations), PROPOSALS)
    labels = rng.choice(np.asarray(classes, dtype=object), size=len(videos))
    return _random_segments(videos, labels, durations, rng)


def random_segments_true_classes(
    durations: Mapping[str, float], labels: Labels, seed: int
) -> pd.DataFrame:
    """Return 30 segments for each true class of each video: perfect classification alone."""
    pairs = [(video, name) for video in durations for name in labels[video]]
    videos, names = zip(*pairs, strict=True) if pairs else ((), ())
    rng = np.random.default_rng(seed)
    return _random_segments(
        np.repeat(np.asarray(videos, dtype=object), PROPOSALS),
        np.repeat(np.asarray(names, dtype=object), PROPOSALS),
        durations,
        rng,
    )


def whole_video(durations: Mapping[str, float], labels: Labels) -> pd.DataFrame:
    """Return one proposal over the whole video per true class, all of equal score."""
    rows = [
        (video, 0.0, end, name, 1.0) for video, end in durations.items() for name in labels[video]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def baseline_rows(
    truth: GroundTruth,
    protocol: Protocol,
    usable: set[str] | None,
    durations: Mapping[str, float],
    seeds: Sequence[int] = range(5),
    track: Callable = iter,
) -> pd.DataFrame:
    """Score every baseline under a protocol (BASELINE_COLUMNS, percent), random ones per seed.

    `durations` (seconds) are used where the annotations have none. Without annotated segments
    there are no rows. Raises WstalError for a scored video of unknown duration.
    """
    if not has_segments(truth, protocol):
        return pd.DataFrame(columns=BASELINE_COLUMNS)
    if protocol.task == "events":
        return pd.DataFrame(event_baselines(truth, protocol, usable), columns=BASELINE_COLUMNS)
    videos, _ = split_annotated(truth, protocol)
    videos = [video for video in videos if usable is None or video in usable]
    known = {video: truth.duration.get(video) or durations.get(video) for video in videos}
    if unknown := [video for video, seconds in known.items() if not seconds]:
        raise WstalError(
            f"{truth.source}: the duration of {len(unknown)} videos is not known, such as "
            f"{unknown[0]}; give the manifest, or `duration` in the annotations"
        )
    made: list[tuple[str, int, pd.DataFrame]] = [
        ("whole_video", 0, whole_video(known, truth.labels)),
    ]
    for seed in seeds:
        segments = random_segments_true_classes(known, truth.labels, seed)
        made.append(("random_proposals", seed, random_proposals(known, truth.classes, seed)))
        made.append(("random_segments_true_classes", seed, segments))
    rows = [
        {"baseline": name, "seed": seed, **row}
        for name, seed, frame in track(made)
        for row in detection_rows(prepare(truth, frame, protocol, usable), protocol, "")
        if row["class"] == ALL
    ]
    return pd.DataFrame(rows, columns=BASELINE_COLUMNS)


def event_baselines(
    truth: GroundTruth, protocol: Protocol, usable: set[str] | None
) -> list[dict[str, object]]:
    """Score the most frequent class everywhere, and each video's true class in every second.

    The second is what perfect classification without localization reaches. A video of several
    classes gets the first one, a video without a class background.
    """
    index = {name: number for number, name in enumerate(truth.classes)}
    none = len(truth.classes)
    videos, _ = split_annotated(truth, protocol)
    videos = [video for video in videos if usable is None or video in usable]
    first = {v: index[names[0]] if (names := truth.labels[v]) else none for v in videos}
    counts = np.bincount(
        judge(truth, protocol, dict.fromkeys(videos, none)).labels.ravel(), minlength=none + 1
    )
    made = {
        "majority_class": dict.fromkeys(videos, counts.argmax()),
        "true_class_throughout": first,
    }
    return [
        {"baseline": name, "seed": 0, **row}
        for name, answers in made.items()
        for row in event_rows(truth, protocol, answers, "")
        if row["class"] == ALL
    ]


def _random_segments(
    videos: np.ndarray, labels: np.ndarray, durations: Mapping[str, float], rng: np.random.Generator
) -> pd.DataFrame:
    end = np.array([durations[video] for video in videos], dtype=float)
    shortest = np.minimum(SHORTEST, end)
    length = shortest * (end / shortest) ** rng.random(len(end))
    start = rng.random(len(end)) * (end - length)
    score = rng.random(len(end))
    return pd.DataFrame(
        dict(zip(COLUMNS, (videos, start, start + length, labels, score), strict=True))
    )
