"""From a detection's score to the probability that it is right, and what a threshold on it gives.

A score ranks detections and has no unit: co2net's are differences of attention, ACN's are losses.
Logistic regression on detections of annotated videos (Platt scaling, "Probabilistic outputs for
support vector machines", 1999) turns it into a probability without changing the ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

from wstal.base.errors import WstalError
from wstal.base.text_files import read_json
from wstal.base.user_files import file_sha256
from wstal.evaluate.average_precision import match
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.protocols import Prepared, Protocol, prepare, split_annotated

TIOU = 0.5  # from which on a detection is right
THRESHOLDS = np.arange(0, 100) / 100


@dataclass(frozen=True)
class Calibration:
    """P(right) = sigmoid(slope * score + intercept), and what it was fitted on."""

    slope: float
    intercept: float
    tiou: float
    subset: str  # val, or test where no validation video is annotated and scored
    detections: int
    right: int

    def probability(self, score: np.ndarray) -> np.ndarray:
        """Return the probability of each score `[N]`."""
        return expit(self.slope * np.asarray(score, dtype=float) + self.intercept)


def read_calibration(path: Path, proposals: Path) -> Calibration:
    """Read calibration.json; raise WstalError if it was not fitted on this proposals.json."""
    content = read_json(path, "a calibration.json of this project")
    try:
        if content.pop("proposals") != file_sha256(proposals):
            raise WstalError(
                f"{path} was fitted on other detections than {proposals}; make it again: "
                f"wstal run {quote(str(path))} --forcerun calibrate"
            )
        content.pop("protocol")
        return Calibration(**content)
    except (KeyError, TypeError, AttributeError) as error:
        raise WstalError(f"{path} is not a calibration.json of this project ({error!r})") from error


def calibration_set(
    truth: GroundTruth, found: pd.DataFrame, protocol: Protocol, usable: set[str] | None
) -> tuple[str, Prepared]:
    """Return the subset to calibrate on, and its ground truth and detections.

    Validation is taken if a validation video is annotated and has detections, else what the
    protocol scores.
    """
    val = protocol.on_subset("val")
    if "val" in truth.subset.values():
        videos, _ = split_annotated(truth, val)
        if len(truth.segments(videos)) and found["video_id"].isin(videos).any():
            return "val", prepare(truth, found, val, usable)
    return "+".join(protocol.subsets), prepare(truth, found, protocol, usable)


def right_detections(prepared: Prepared, tiou: float = TIOU) -> tuple[np.ndarray, np.ndarray]:
    """Return score and whether it is right of each detection, `[N]`, best first.

    A detection is right if it takes an instance at `tiou`, as in the mAP. Those that a protocol
    treats as neutral are left out.
    """
    found = match(prepared.ground_truth, prepared.predictions, [tiou], prepared.classes)
    right = found.hits[0][~found.neutral]
    score = prepared.predictions["score"].to_numpy(float)[found.order][~found.neutral]
    order = np.argsort(-score, kind="stable")
    return score[order], right[order]


def fit_calibration(
    score: np.ndarray, right: np.ndarray, subset: str, tiou: float = TIOU
) -> Calibration:
    """Fit the probability that a detection is right, by maximum likelihood with Platt's targets.

    These, (R + 1) / (R + 2) for right and 1 / (W + 2) for wrong detections, keep a perfect
    separation finite. The slope is not negative. Raises WstalError without detections.
    """
    if not len(score):
        raise WstalError(
            f"no detection on {subset} videos with annotated segments: nothing to fit. Mark "
            "segments in some of them: in segments.csv (video,t_start,t_end,label) in the folder "
            "of the videos, or in the file that `segments:` of the dataset names"
        )
    hits = int(right.sum())
    target = np.where(right, (hits + 1) / (hits + 2), 1 / (len(score) - hits + 2))
    centre, scale = float(score.mean()), float(score.std()) or 1.0
    scaled = (score - centre) / scale

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        logit = values[0] * scaled + values[1]
        error = expit(logit) - target
        entropy = np.logaddexp(0, logit) - target * logit
        return float(entropy.mean()), np.array([(error * scaled).mean(), error.mean()])

    found = minimize(loss, np.zeros(2), jac=True, bounds=[(0, None), (None, None)])
    slope = float(found.x[0]) / scale
    intercept = float(found.x[1]) - slope * centre
    return Calibration(slope, intercept, tiou, subset, len(score), hits)


OPERATING_COLUMNS = ["threshold", "precision", "recall", "f1", "segments"]


def operating_points(probability: np.ndarray, right: np.ndarray, instances: int) -> pd.DataFrame:
    """Return what each threshold on the probability gives (OPERATING_COLUMNS, percent).

    `probability` and `right` are `[N]`, `instances` are all annotated ones. `segments` are the
    detections that pass. The precision of none is missing.
    """
    rows = []
    for threshold in THRESHOLDS:
        kept = probability >= threshold
        hits, count = int(right[kept].sum()), int(kept.sum())
        precision = hits / count if count else np.nan
        recall = hits / instances if instances else np.nan
        f1 = 2 * hits / (count + instances) if count + instances else np.nan
        rows.append((threshold, 100 * precision, 100 * recall, 100 * f1, count))
    return pd.DataFrame(rows, columns=OPERATING_COLUMNS)


def mean_points(seeds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean over seeds of their operating points, and `best`: the greatest F1."""
    table = pd.concat(seeds).groupby("threshold", as_index=False).mean()
    best = table["f1"].idxmax() if table["f1"].notna().any() else -1
    return table.assign(best=["yes" if row == best else "" for row in table.index])


def describe(
    found: pd.DataFrame, calibration: Calibration, video_score: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """Add to detections their probability, P(class in video) and rank within their video.

    `video_score` gives each video's probability of each class. The rows of a video are in the
    order of their ranks, from 1 for the greatest score.
    """
    found = found.assign(
        probability=calibration.probability(found["score"].to_numpy()),
        video_probability=[
            float(video_score.get(video, {}).get(label, np.nan))
            for video, label in zip(found["video_id"], found["label"], strict=True)
        ],
    )
    found = found.sort_values(["video_id", "score"], ascending=[True, False], kind="stable")
    return found.assign(rank=found.groupby("video_id").cumcount() + 1)
