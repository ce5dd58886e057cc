"""ACN's localization of one stream: selection, score and suppression from the score file alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from wstal.errors import WstalError
from wstal.localize.covering import selected
from wstal.localize.detection_frame import all_rows, class_rows, detection_frame
from wstal.localize.nms import hard_nms
from wstal.localize.scores import Scores, VideoScores
from wstal.losses.areas import areas_of
from wstal.losses.oic import outer_inner_contrast, proposal_loss


def localize(scores: Scores, config: Mapping[str, Any]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `config` is the `localize` section of the run's config.
    """
    return detection_frame(scores, lambda video: proposals(video, config))


def proposals(video: VideoScores, settings: Mapping[str, Any]) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of start, end (snippets), class, score.

    The score is -L, with L in [-1, 0.6] for alpha 0.6 and features that are not negative.
    """
    # As in the paper; in training, where the class is known, one is taken even if none passes.
    classes = np.flatnonzero(video.video_score > settings["class_threshold"])
    if not len(classes):
        return all_rows([])
    count = len(video.cas)
    lengths = torch.full((len(classes),), count)
    cas = torch.from_numpy(video.cas.astype(np.float64)[:, classes].T)
    seen = torch.from_numpy(video.attention >= threshold(video, settings["attention"]))
    cas = cas * seen  # discarded: no score, as in AutoLoc's code [R]
    given = {
        name: torch.from_numpy(array.astype(np.float64)) for name, array in video.extra.items()
    }
    areas = areas_of(given["shifts"][None], given["anchors"], given["margins"], lengths[:1])
    areas = areas.of(torch.zeros(len(classes), dtype=torch.int64))
    value = proposal_loss(
        outer_inner_contrast(cas, areas, lengths), given["coherence"], settings["alpha"]
    )
    passed = seen & (cas >= settings["scp_threshold"])
    keep = selected(-value, areas, lengths, passed, settings["discard_rule"])
    found = []
    for row, label in enumerate(classes):
        chosen = keep[row]
        ends = torch.stack([areas.start[row][chosen], areas.end[row][chosen] + 1], 1)
        segments, score = ends.clamp(0, count).numpy(), -value[row][chosen].numpy()
        order = hard_nms(segments, score, settings["nms_iou"])
        found.append(class_rows(segments[order], label, score[order]))
    return all_rows(found)


def threshold(video: VideoScores, settings: Mapping[str, Any]) -> float:
    """The attention under which a snippet is discarded.

    `absolute` is the paper's, for its own attention; `quantile` takes that share of the training
    videos' snippets, whose quantiles the score file carries.
    """
    if settings["mode"] == "absolute":
        return settings["value"]
    if settings["mode"] != "quantile":
        raise WstalError(f"attention.mode {settings['mode']!r} is not one of absolute, quantile")
    quantiles = video.extra["training_quantiles"]
    return float(np.interp(settings["quantile"], np.linspace(0, 1, len(quantiles)), quantiles))
