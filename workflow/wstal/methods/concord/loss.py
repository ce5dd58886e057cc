"""Concord's objective: focal loss on soft targets, IoU of boundaries, and the videos' labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wstal.base.settings import NonNegative, Positive
from wstal.losses.mil import probability_loss
from wstal.methods.concord.network import RunSettings, build
from wstal.methods.concord.targets import Targets, TargetSettings, targets
from wstal.methods.contract import Batch, Output, TrainingHalf, weighted_sum


@dataclass(frozen=True)
class WeightSettings:
    """Weights of the terms; one of weight 0 is not computed."""

    classes: NonNegative = 1.0  # focal loss of the points' classes
    bounds: NonNegative = 1.0  # IoU loss of the points' boundaries
    snippets: NonNegative = 1.0  # cross entropy of the snippets' classes, background included
    video: NonNegative = 0.2  # cross entropy of the video's labels, the weak term


@dataclass(frozen=True)
class LossSettings:
    """The `loss` section."""

    targets: TargetSettings = TargetSettings()
    weights: WeightSettings = WeightSettings()
    focus: NonNegative = 2.0  # exponent of |target - probability| in the focal loss
    # Segments of up to so many strides belong to a level, up to twice as many to the next.
    reach: Positive = 4.0
    # A segment belongs to a neighbouring level, too, if it misses it by no more than this factor.
    slack: Positive = 1.5


def loss(output: Output, batch: Batch, settings: LossSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the total loss of a batch and its terms."""
    taught = targets(batch.upstream, batch.labels, batch.mask, settings.targets)
    at = assign(output, taught, batch.labels, settings)

    def classes() -> Tensor:
        logits = output.extra["point_logits"][0]
        gap = (at.share - logits.sigmoid()).abs() ** settings.focus
        terms = functional.binary_cross_entropy_with_logits(logits, at.share, reduction="none")
        return (gap * terms).sum() / at.share.sum().clamp_min(1)

    def bounds() -> Tensor:
        found = output.extra["boundaries"][0][at.point]
        shared = torch.minimum(found[:, 1], at.end) - torch.maximum(found[:, 0], at.start)
        union = torch.maximum(found[:, 1], at.end) - torch.minimum(found[:, 0], at.start)
        iou = shared.clamp_min(0) / union.clamp_min(1e-6)
        return (at.weight * (1 - iou)).sum() / at.weight.sum().clamp_min(1)

    def snippets() -> Tensor:
        logits = output.extra["snippet_logits"]
        terms = functional.cross_entropy(
            logits.transpose(1, 2), snippet_classes(taught, batch.labels), reduction="none"
        )
        return terms.mean() if batch.mask is None else terms[batch.mask].mean()

    def video() -> Tensor:
        probabilities = output.extra["video_logits"].softmax(-1)
        return probability_loss(probabilities[:, :-1], batch.labels)

    found = {"classes": classes, "bounds": bounds, "snippets": snippets, "video": video}
    return weighted_sum(asdict(settings.weights), found)


def snippet_classes(taught: Targets, labels: Tensor) -> Tensor:
    """The probability of each class and of background at each snippet, `[B, C + 1, T]`.

    A snippet that is no background of a class has that class, of several each in equal parts.
    """
    (videos, classes), snippets = labels.shape, taught.share.shape[1]
    found = taught.share.new_zeros(videos, classes + 1, snippets)
    found[taught.video, taught.label] = (taught.share > 0).to(found)
    found[:, -1] = (found.sum(1) == 0).to(found)
    return found / found.sum(1, keepdim=True)


class Assigned(NamedTuple):
    """Targets of a batch's points."""

    share: Tensor  # [P, C]
    point: Tensor  # int64 [M], those with boundaries
    start: Tensor  # [M], snippets
    end: Tensor  # [M]
    weight: Tensor  # [M]


def assign(output: Output, taught: Targets, labels: Tensor, settings: LossSettings) -> Assigned:
    """Give each point the target of the snippet at its middle, if its level suits the segment."""
    video, centre, stride = (
        output.extra[f"point_{name}"][0] for name in ("video", "centre", "stride")
    )
    share = centre.new_zeros(len(centre), labels.shape[1])
    pair = torch.full((len(labels), labels.shape[1]), -1, device=labels.device)
    pair[taught.video, taught.label] = torch.arange(len(taught.video), device=labels.device)
    point, label = (pair[video] >= 0).nonzero(as_tuple=True)
    row, time = pair[video[point], label], centre[point].long()
    value, start, end = (each[row, time] for each in (taught.share, taught.start, taught.end))
    size = (end - start) / (stride[point] * settings.reach)  # 1/2 to 1 suits the level
    first, last = stride[point] == 1, stride[point] == stride.max()
    suits = (first | (size > 0.5 / settings.slack)) & (last | (size <= settings.slack))
    suits &= value > 0
    share[point[suits], label[suits]] = value[suits]
    return Assigned(share, point[suits], start[suits], end[suits], value[suits])


TRAINING = TrainingHalf(
    name="concord",
    run_settings=RunSettings,
    loss_settings=LossSettings,
    build=build,
    loss=loss,
    activation="probability",
    takes_mask=True,
    video_score="video_score",
    stored=lambda run: ("point_scores", "boundaries"),
)
