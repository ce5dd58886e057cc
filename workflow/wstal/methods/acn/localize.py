"""ACN's localization of one stream: selection, score and suppression from the score file alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from annotated_types import Gt, Le

from wstal.base.settings import Share
from wstal.localize.nms import hard_nms
from wstal.localize.proposals import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.methods.acn.proposals import (
    SelectionSettings,
    areas_of,
    outer_inner_contrast,
    proposal_loss,
    selected,
)
from wstal.methods.contract import LocalizationHalf


@dataclass(frozen=True)
class AttentionSettings:
    """Snippets of less attention are discarded."""

    # Where the threshold comes from: the training videos [R] | absolute: value
    mode: Literal["quantile", "absolute"] = "quantile"
    quantile: Share = 0.5  # share of the training videos' snippets that are under it
    # Absolute: the threshold itself; the paper has 7 for RGB and 5 for flow, which only make sense
    # for the published networks' attention.
    value: float = 7


@dataclass(frozen=True)
class FusionSettings:
    """How RGB proposals join the flow proposals, all of which stay (paper)."""

    iou: Share = 0.4  # an RGB proposal stays where no flow proposal overlaps it as much
    discount: Annotated[float, Gt(0), Le(1)] = 0.5  # factor of RGB scores


@dataclass(frozen=True)
class LocalizeSettings(SelectionSettings):
    """The `localize` section: from scores to proposals; a change here does not retrain."""

    attention: AttentionSettings = AttentionSettings()
    nms_iou: Share = 0.4  # overlap within a class and stream above which the weaker goes (paper)
    fusion: FusionSettings = FusionSettings()  # of the streams


def localize(scores: Scores, settings: LocalizeSettings) -> pd.DataFrame:
    """Return detections of all videos: video_id, t_start, t_end (seconds), label, score."""
    return detection_frame(scores, lambda video: proposals(video, settings))


def proposals(video: VideoScores, settings: LocalizeSettings) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of start, end (snippets), class, score.

    The score is -L, with L in [-1, 0.6] for alpha 0.6 and features that are not negative.
    """
    # As in the paper; in training, where the class is known, one is taken even if none passes.
    classes = np.flatnonzero(video.video_score > settings.class_threshold)
    if not len(classes):
        return all_rows([])
    count = len(video.cas)
    lengths = torch.full((len(classes),), count)
    cas = torch.from_numpy(video.cas.astype(np.float64)[:, classes].T)
    seen = torch.from_numpy(video.attention >= threshold(video, settings.attention))
    cas = cas * seen  # discarded: no score, as in AutoLoc's code [R]
    given = {
        name: torch.from_numpy(array.astype(np.float64)) for name, array in video.extra.items()
    }
    areas = areas_of(given["shifts"][None], given["anchors"], given["margins"], lengths[:1])
    areas = areas.of(torch.zeros(len(classes), dtype=torch.int64))
    value = proposal_loss(
        outer_inner_contrast(cas, areas, lengths), given["coherence"], settings.alpha
    )
    passed = seen & (cas >= settings.scp_threshold)
    keep = selected(-value, areas, lengths, passed, settings.discard_rule)
    found = []
    for row, label in enumerate(classes):
        chosen = keep[row]
        ends = torch.stack([areas.start[row][chosen], areas.end[row][chosen] + 1], 1)
        segments, score = ends.clamp(0, count).numpy(), -value[row][chosen].numpy()
        order = hard_nms(segments, score, settings.nms_iou)
        found.append(class_rows(segments[order], label, score[order]))
    return all_rows(found)


def threshold(video: VideoScores, settings: AttentionSettings) -> float:
    """Return the attention under which a snippet is discarded.

    `absolute` is the paper's, for its own attention; `quantile` takes that share of the training
    videos' snippets, whose quantiles are in the score file.
    """
    if settings.mode == "absolute":
        return settings.value
    quantiles = video.extra["training_quantiles"]
    return float(np.interp(settings.quantile, np.linspace(0, 1, len(quantiles)), quantiles))


LOCALIZATION = LocalizationHalf(name="acn", settings=LocalizeSettings, localize=localize)
