"""ACN's localization of one stream: selection, score and suppression from the score file alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.localize.detections import all_rows, class_rows, detection_frame
from wstal.localize.nms import hard_nms
from wstal.localize.scores import Scores, VideoScores
from wstal.methods.acn.loss import Areas, areas_of, covered, outer_inner_contrast, proposal_loss

# FOLDED ACN's selection: every location keeps the best proposal that covers it (section 2.4).


def selected(scores: Tensor, areas: Areas, lengths: Tensor, passed: Tensor, rule: str) -> Tensor:
    """Which proposals stay: `scores [M, A, T]`, `passed [M, T]` -> bool `[M, A, T]`.

    `passed` says where the class is strong enough. `rule` is what the paper's "positions under
    0.1 discard" means: `location` (such a position keeps no proposal) or `contains` (no proposal
    that covers one stays). `lengths [M]`.

    differs from paper: read literally it is `contains`, which leaves long anchors without
    proposals; AutoLoc's code, its model, gates the location.
    """
    if rule not in ("location", "contains"):
        raise WstalError(f"discard_rule {rule!r} is not one of location, contains")
    first, last = (x.flatten(1) for x in covered(areas, lengths))
    allowed = areas.valid.flatten(1)
    if rule == "contains":
        failed = functional.pad((~passed).long().cumsum(1), (1, 0))
        allowed = allowed & (failed.gather(1, last + 1) == failed.gather(1, first))
    kept = best_covering(scores.flatten(1), first, last, allowed, passed)
    return kept.view(scores.shape)


def best_covering(
    scores: Tensor, first: Tensor, last: Tensor, allowed: Tensor, passed: Tensor
) -> Tensor:
    """Proposals that are the best of those covering some passed location: bool `[M, N]`.

    Proposal n of row m covers locations first..last `[M, N]`, both included; those not `allowed`
    are left out; `passed [M, T]`. Of equal scores the proposal that stands first is better.

    Painting the locations in the order of scores would take a loop over proposals. Here each one
    writes its rank to the two spans of 2^l locations whose union it is, and the best rank of a
    span is handed down to its halves: O(N + T log T).
    """
    rows, count = scores.shape
    length = passed.shape[1]
    ranked = scores.masked_fill(~allowed, -torch.inf)
    order = ranked.sort(dim=1, descending=True, stable=True).indices
    places = torch.arange(count, 0, -1, device=scores.device).expand(rows, -1)
    rank = torch.zeros_like(order).scatter(1, order, places) * allowed  # 0: none
    powers = 2 ** torch.arange(length.bit_length(), device=scores.device)
    level = (powers <= (last - first + 1)[..., None]).sum(-1) - 1
    table = rank.new_zeros(rows, len(powers) * length)
    for at in (first, last + 1 - powers[level]):
        table.scatter_reduce_(1, level * length + at, rank, "amax")
    table = table.view(rows, len(powers), length)
    for upper in range(len(powers) - 1, 0, -1):
        half, lower = 2 ** (upper - 1), table[:, upper - 1]
        lower.copy_(lower.maximum(table[:, upper]))
        lower[:, half:] = lower[:, half:].maximum(table[:, upper, : length - half])
    best = table[:, 0] * passed  # [M, T]
    chosen = order.gather(1, (count - best).clamp(max=count - 1))
    kept = torch.zeros(rows, count + 1, dtype=torch.bool, device=scores.device)
    kept.scatter_(1, torch.where(best > 0, chosen, count), True)
    return kept[:, :count]


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
