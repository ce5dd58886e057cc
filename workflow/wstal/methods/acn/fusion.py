"""Two streams' results as one: the fusion module of ACN (ICIP 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.localize.nms import overlap
from wstal.localize.scores import Scores, VideoScores
from wstal.methods.acn.localize import FusionSettings

KEY = ["video_id", "label"]


def fuse_proposals(flow: pd.DataFrame, rgb: pd.DataFrame, settings: FusionSettings) -> pd.DataFrame:
    """Return all flow proposals and the RGB proposals that add to them, scores discounted.

    Frames video_id, t_start, t_end (seconds), label, score = -L in [-1, 1]. An RGB proposal is
    kept if its IoU with every flow proposal of its video and class is below `iou`; there is no
    suppression afterwards. A discount needs scores of one sign, so the fused scores are
    s' = (1 - L) / 2, those of RGB times `discount`. Order: flow's, then RGB's.
    """
    of_flow = {key: _segments(group) for key, group in flow.groupby(KEY, sort=False)}
    keep = np.ones(len(rgb), dtype=bool)
    rgb = rgb.reset_index(drop=True)
    for key, group in rgb.groupby(KEY, sort=False):
        if key in of_flow:
            # Every RGB proposal against every flow proposal: [N, 1] with [M, 2] -> [N, M].
            ious = overlap(_segments(group).T[:, :, None], of_flow[key])
            keep[group.index] = ious.max(1) < settings.iou
    parts = [
        flow.assign(score=(1 + flow["score"]) / 2),
        rgb[keep].assign(score=settings.discount * (1 + rgb["score"][keep]) / 2),
    ]
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
    if len({v.cas.shape for v in own.values()}) > 1:
        raise WstalError(f"video {video}: the streams differ in snippets; score both anew")

    attentions = {name: v.attention for name, v in own.items()}
    return VideoScores(
        cas=np.mean([v.cas for v in own.values()], axis=0),
        attention=np.mean(list(attentions.values()), axis=0),
        video_score=np.mean([v.video_score for v in own.values()], axis=0),
        attentions=attentions,
    )


def _segments(frame: pd.DataFrame) -> np.ndarray:
    return frame[["t_start", "t_end"]].to_numpy(np.float64)
