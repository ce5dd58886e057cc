"""ACN's training objective: L of the proposals that localization would keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from wstal.methods.acn.network import STORED, RunSettings, build, lengths_of, prepare
from wstal.methods.acn.proposals import (
    SelectionSettings,
    areas_of,
    outer_inner_contrast,
    proposal_loss,
    selected,
)
from wstal.methods.contract import Batch, Output, TrainingHalf


@dataclass(frozen=True)
class LossSettings(SelectionSettings):
    """The `loss` section: the training objective."""

    # labelled: those of the video's labels with a high score, all labels where none has [R,
    # AutoLoc] | scored: every class with a high score (the paper read literally)
    classes: Literal["labelled", "scored"] = "labelled"
    # videos: mean over a video's class, then its classes, then the videos [R] | proposals: over all
    # proposals of a batch (the paper read literally)
    average: Literal["videos", "proposals"] = "videos"


def loss(output: Output, batch: Batch, settings: LossSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the mean L of the selected proposals (section 3.3, equation 7).

    The selection is that of localization, with the classes of `trained_classes`. Terms: L_OIC and
    L_c of the selected proposals and how many there are per video and class. Annotated segments
    are not read, nor any statistic of them.
    """
    extra = output.extra
    lengths = lengths_of(output.features, batch.mask)
    areas = areas_of(extra["shifts"], extra["anchors"][0], extra["margins"][0], lengths)
    classes = trained_classes(extra["video_score"], batch.labels, settings)
    video, label = classes.nonzero(as_tuple=True)
    areas, borders = areas.of(video), extra["coherence"].double()[video]
    scores, lengths = output.cas[video, :, label], lengths[video]
    contrast = outer_inner_contrast(scores, areas, lengths)
    value = proposal_loss(contrast, borders, settings.alpha)
    passed = scores >= settings.scp_threshold
    keep = selected(-value.detach(), areas, lengths, passed, settings.discard_rule)
    count = keep.sum((1, 2))
    if settings.average == "proposals":
        share = (1 / count.sum().clamp(min=1)).expand(len(count))
    else:
        pairs = video.new_zeros(len(output.cas)).index_add(0, video, (count > 0).long())
        share = 1 / (count * pairs[video] * (pairs > 0).sum()).clamp(min=1)
    weights = share[:, None, None] * keep
    total = (weights * value).sum()
    terms = {
        "contrast": (weights * contrast).sum(),
        "coherence": (weights * borders).sum(),
        "proposals": count.double().mean() if len(count) else count.double().sum(),
    }
    return total, terms


def trained_classes(video_score: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    """Return the classes that a video is trained on, bool `[B, C]`, by `settings.classes`."""
    strong = video_score > settings.class_threshold
    if settings.classes == "scored":
        return strong
    labelled = labels > 0
    strong = strong & labelled
    return strong | (labelled & ~strong.any(1, keepdim=True))


TRAINING = TrainingHalf(
    name="acn",
    run_settings=RunSettings,
    loss_settings=LossSettings,
    build=build,
    loss=loss,
    prepare=prepare,
    activation="probability",
    takes_mask=True,
    takes_upstream=True,
    video_score="video_score",
    stored=lambda run: STORED,
)
