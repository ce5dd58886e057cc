"""Scores without training: how near a row's vector is to those of the classes' names.

The rows and the names have one space (CLIP, SigLIP, CLAP). A baseline: no label is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import numpy as np
import torch

from wstal.base.errors import WstalError
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores, VideoScores, softmax
from wstal.networks.text import ClassVectors
from wstal.train.scoring import video_score


def zero_shot_scores(
    features: FeatureFile,
    text: ClassVectors,
    splits: Iterable[str],
    track: Callable[[Iterable], Iterable] = iter,
) -> Scores:
    """Return the scores of the splits' videos from the stream that `text.about` names.

    Raises WstalError for features of other weights than those of the text, or another width.
    """
    stream = text.about["stream"]
    made = json.loads(features.attrs.get("provenance_json", "{}")).get(stream, {})
    if made.get("weights") != text.about["weights"]:
        raise WstalError(
            f"{features.path}: stream {stream} was made with the weights {made.get('weights')}, "
            f"the class vectors with {text.about['weights']}; make both from the same weights"
        )
    if features.dims.get(stream) != text.vectors.shape[1]:
        raise WstalError(
            f"{features.path}: stream {stream} has the width {features.dims.get(stream)}, the "
            f"class vectors {text.vectors.shape[1]}; make both with the same backbone"
        )
    ids = [video for split in splits for video in features.ids(split)]
    videos = {}
    for video in track(ids):
        cas, attention = activation(features.read(video, [stream]), text)
        score = video_score(torch.from_numpy(cas), "logits").numpy()
        videos[video] = VideoScores(cas, attention, score, step=features.step_of(video))
    return Scores(
        classes=text.classes,
        videos=videos,
        t0=float(features.attrs["t0"]),
        step=float(features.attrs["step"]),
        provenance={"zero_shot": text.about},
    )


def activation(rows: np.ndarray, text: ClassVectors) -> tuple[np.ndarray, np.ndarray]:
    """Return `cas` `[T, C+1]` (logits) and attention `[T]` of rows `[T, D]`, both float32.

    A logit is the difference of the cosines to the class and to the background, times the scale
    that was learned with the weights; that of the background is 0. The attention is the
    probability that a row is not background: 1 minus its softmax. A row of zeros is undecided.
    """
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(length, np.finfo(np.float32).tiny)
    logits = text.scale * (unit @ (text.vectors - text.background).T)
    cas = np.column_stack([logits, np.zeros(len(rows))]).astype(np.float32)
    return cas, (1 - softmax(cas)[:, -1]).astype(np.float32)
