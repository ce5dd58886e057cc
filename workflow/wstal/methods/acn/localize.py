"""ACN's localization: selection, score and suppression in one stream, then fusion of two streams.

Localization reads the score file alone. The fusion module (ACN, ICIP 2019) makes one result of the
results of two streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from annotated_types import Gt, Le

from wstal.base.errors import WstalError
from wstal.base.settings import Share
from wstal.localize.proposals import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import hard_nms, overlap
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

    # none: all pass, as validation videos say (docs/acn.md) | absolute: value (paper) | quantile:
    # where the training videos have it [R]
    mode: Literal["none", "absolute", "quantile"] = "none"
    # Absolute: the threshold itself; the paper has 7 for RGB and 5 for flow, which only make sense
    # for the published networks' attention.
    value: float = 7
    quantile: Share = 0.5  # share of the training videos' snippets that are under it


@dataclass(frozen=True)
class FusionSettings:
    """How RGB proposals join the flow proposals, all of which stay (paper)."""

    iou: Share = 0.4  # an RGB proposal stays where no flow proposal overlaps it as much
    discount: Annotated[float, Gt(0), Le(1)] = 0.5  # factor of RGB scores
    # What is discounted. loss: -L (paper) | mapped: (1 - L) / 2, of one sign; half of it is under
    # nearly every flow score, whatever the factor
    score: Literal["loss", "mapped"] = "loss"


@dataclass(frozen=True)
class LocalizeSettings(SelectionSettings):
    """The `localize` section: from scores to proposals; a change here does not retrain."""

    attention: AttentionSettings = AttentionSettings()
    nms_iou: Share = 0.4  # overlap within a class and stream above which the weaker goes (paper)
    # The paper does not say when a segment of snippets a..b ends. after: where b does | last:
    # where b starts (AutoLoc's code)
    end: Literal["after", "last"] = "after"
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
    seen = torch.from_numpy(video.attention.astype(np.float64) >= threshold(video, settings))
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
    found, after = [], float(settings.end == "after")
    for row, label in enumerate(classes):
        chosen = keep[row]
        ends = torch.stack([areas.start[row][chosen], areas.end[row][chosen] + after], 1)
        segments, score = ends.clamp(0, count).numpy(), -value[row][chosen].numpy()
        order = hard_nms(segments, score, settings.nms_iou)
        found.append(class_rows(segments[order], label, score[order]))
    return all_rows(found)


def threshold(video: VideoScores, settings: LocalizeSettings) -> float:
    """Return the attention under which a snippet is discarded.

    `absolute` is the paper's, for its own attention; `quantile` takes that share of the training
    videos' snippets, whose quantiles are in the score file.
    """
    gate = settings.attention
    if gate.mode == "quantile":
        quantiles = video.extra["training_quantiles"]
        return float(np.interp(gate.quantile, np.linspace(0, 1, len(quantiles)), quantiles))
    return gate.value if gate.mode == "absolute" else -np.inf


LOCALIZATION = LocalizationHalf(name="acn", settings=LocalizeSettings, localize=localize)


KEY = ["video_id", "label"]


def fuse_proposals(flow: pd.DataFrame, rgb: pd.DataFrame, settings: FusionSettings) -> pd.DataFrame:
    """Return all flow proposals and the RGB proposals that add to them, scores discounted.

    Frames video_id, t_start, t_end (seconds), label, score = -L in [-1, 1]. An RGB proposal is
    kept if its IoU with every flow proposal of its video and class is below `iou`; there is no
    suppression afterwards (section 3.4). RGB scores are multiplied by `discount`, -L itself or
    (1 - L) / 2 by `settings.score`; a negative -L rises thereby. Order: flow's, then RGB's.
    """
    if settings.score == "mapped":
        flow, rgb = (frame.assign(score=(1 + frame["score"]) / 2) for frame in (flow, rgb))
    of_flow = {key: _segments(group) for key, group in flow.groupby(KEY, sort=False)}
    keep = np.ones(len(rgb), dtype=bool)
    rgb = rgb.reset_index(drop=True)
    for key, group in rgb.groupby(KEY, sort=False):
        if key in of_flow:
            # Every RGB proposal against every flow proposal: [N, 1] with [M, 2] -> [N, M].
            ious = overlap(_segments(group).T[:, :, None], of_flow[key])
            keep[group.index] = ious.max(1) < settings.iou
    parts = [flow, rgb[keep].assign(score=settings.discount * rgb["score"][keep])]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def fuse_histories(
    flow: Mapping[int, pd.DataFrame],
    rgb: Mapping[int, pd.DataFrame],
    settings: FusionSettings,
) -> dict[int, pd.DataFrame]:
    """Return `fuse_proposals` at every iteration that both streams have, in order.

    Raises WstalError if they share none.
    """
    shared = sorted(set(flow) & set(rgb))
    if not shared:
        raise WstalError(
            f"the streams were scored at different iterations ({sorted(flow)} and {sorted(rgb)}); "
            "give both the same train.score_interval"
        )
    return {n: fuse_proposals(flow[n], rgb[n], settings) for n in shared}


def fuse_scores(streams: Mapping[str, Scores]) -> Scores:
    """Return the mean of the streams' scores; each stream's attention is kept under its name.

    Raises WstalError if they are not of the same videos, classes and snippets.
    """
    first = next(iter(streams.values()))
    for name, scores in streams.items():
        about, expected = vars(scores), vars(first)
        for what in ("classes", "activation", "t0", "step"):
            if about[what] != expected[what]:
                raise WstalError(f"the streams' {what} differ ({name}); score both anew")
        if scores.videos.keys() != first.videos.keys():
            raise WstalError(f"the streams were scored on different videos ({name}); score anew")
    videos = {video: _mean_scores(streams, video) for video in first.videos}
    provenance = {"fused": {name: scores.provenance for name, scores in streams.items()}}
    return replace(first, videos=videos, provenance=provenance)


def _mean_scores(streams: Mapping[str, Scores], video: str) -> VideoScores:
    own = {name: scores.videos[video] for name, scores in streams.items()}
    if len({(v.cas.shape, v.step) for v in own.values()}) > 1:
        raise WstalError(f"video {video}: the streams differ in snippets; score both anew")

    attentions = {name: v.attention for name, v in own.items()}
    return VideoScores(
        cas=np.mean([v.cas for v in own.values()], axis=0),
        attention=np.mean(list(attentions.values()), axis=0),
        video_score=np.mean([v.video_score for v in own.values()], axis=0),
        attentions=attentions,
        step=next(iter(own.values())).step,
    )


def _segments(frame: pd.DataFrame) -> np.ndarray:
    return frame[["t_start", "t_end"]].to_numpy(np.float64)
