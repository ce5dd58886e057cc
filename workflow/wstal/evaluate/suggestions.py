"""Which videos to annotate next, and which segments to check first.

A video's uncertainty is the mean entropy of its snippets' class probabilities, in shares of its
maximum: the token entropy of Settles and Craven, "An analysis of active learning strategies for
sequence labeling tasks" (2008), divided by log(C + 1). With several seeds the probabilities are
their mean, so that disagreement counts, too (soft vote entropy, Settles, "Active learning
literature survey", 2009). Videos are then taken one after the other by maximal marginal relevance
(Carbonell and Goldstein, 1998): the uncertainty against the greatest similarity to one that is
taken already. A segment is doubtful if its probability of being right is near 1/2 (Lewis and Gale,
"A sequential algorithm for training text classifiers", 1994).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.localize.scores import Scores, softmax

VIDEO_COLUMNS = ["rank", "video", "uncertainty", "similarity", "likely"]
WEIGHT = 0.5  # of the uncertainty against the similarity
LIKELY = 3  # classes named for a video


def mean_probabilities(seeds: Sequence[Scores], video: str) -> np.ndarray:
    """Return P(class) of each snippet, background last, `[T, C + 1]`: the mean over the seeds."""
    return np.mean([_probabilities(scores, video) for scores in seeds], axis=0)


def _probabilities(scores: Scores, video: str) -> np.ndarray:
    cas = scores.videos[video].cas
    if scores.activation == "logits":
        return softmax(cas)
    shares = np.clip(np.asarray(cas, dtype=np.float64), 1e-12, None)
    return shares / shares.sum(axis=1, keepdims=True)


def uncertainty(probabilities: np.ndarray) -> float:
    """Return the mean entropy of snippets `[T, C + 1]` as a share of its maximum, 0 to 1."""
    safe = np.clip(probabilities, 1e-12, None)
    entropy = -(probabilities * np.log(safe)).sum(axis=1)
    return float(entropy.mean() / np.log(probabilities.shape[1]))


def suggest_videos(
    probabilities: Mapping[str, np.ndarray],
    classes: Sequence[str],
    count: int,
    weight: float = WEIGHT,
) -> pd.DataFrame:
    """Return `count` videos in the order in which to annotate them, with VIDEO_COLUMNS.

    `probabilities` has the snippets of each candidate `[T, C + 1]`. Each step takes the video of
    the greatest `weight * uncertainty - (1 - weight) * similarity`; `similarity` is the greatest
    cosine between its mean P(class) without background and that of a video taken before. Of equal
    videos the first in the order of their ids is taken. Raises WstalError for a weight that is not
    a share.
    """
    if not 0 <= weight <= 1:
        raise WstalError(f"the weight of the uncertainty is {weight}; expected 0 to 1")
    names = sorted(probabilities)
    unsure = np.array([uncertainty(probabilities[name]) for name in names])
    shown = np.array([probabilities[name][:, :-1].mean(axis=0) for name in names])
    unit = shown / np.maximum(np.linalg.norm(shown, axis=-1, keepdims=True), 1e-12)
    similar, left, rows = np.zeros(len(names)), list(range(len(names))), []
    while left and len(rows) < count:
        values = weight * unsure[left] - (1 - weight) * similar[left]
        best = left.pop(int(values.argmax()))
        likely = np.argsort(-shown[best], kind="stable")[:LIKELY]
        named = " ".join(f"{classes[c]} {shown[best, c]:.2f}" for c in likely)
        rows.append((len(rows) + 1, names[best], unsure[best], similar[best], named))
        similar = np.maximum(similar, np.clip(unit @ unit[best], 0, 1))
    return pd.DataFrame(rows, columns=VIDEO_COLUMNS)


def segment_probabilities(
    found: pd.DataFrame, probabilities: Mapping[str, np.ndarray], scores: Scores
) -> np.ndarray:
    """Return the mean P(its class) of the snippets of each detection, `[N]`.

    `found` is a frame video_id, t_start, t_end (seconds), label; `scores` gives the time grid.
    """
    columns = {name: index for index, name in enumerate(scores.classes)}
    means = []
    for each in found.itertuples(index=False):
        rows, step = probabilities[each.video_id], scores.step_of(each.video_id)
        first = int(np.floor((each.t_start - scores.t0) / step + 1e-6))
        last = int(np.ceil((each.t_end - scores.t0) / step - 1e-6))
        first = min(max(first, 0), len(rows) - 1)
        means.append(rows[first : max(last, first + 1), columns[each.label]].mean())
    return np.array(means, dtype=float)


def doubtful_segments(found: pd.DataFrame) -> pd.DataFrame:
    """Return detections, which have a `probability`, from the most doubtful to the surest."""
    return found.iloc[np.argsort((found["probability"] - 0.5).abs().to_numpy(), kind="stable")]
