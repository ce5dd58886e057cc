"""TS-SAM's training objective: three classifications, the guide and the semantic loss.

"Paper", "ACM-Net" and "reading" as in network.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from wstal.base.settings import NonNegative, Share
from wstal.losses.mil import Background, Reduction, opposite_loss, suppress
from wstal.methods.contract import Batch, TrainingHalf
from wstal.methods.tssam.network import RunSettings, TSSAMOutput, build, prepare

EPS = 1e-8  # inside the logarithms of the classification terms
ROOT_EPS = 1e-12  # under the root, so that a snippet on its dictionary entry has a gradient


@dataclass(frozen=True)
class WeightSettings:
    """Factor of each term (paper); 0 leaves the term out."""

    fg: NonNegative = 1.0  # classification under the foreground attention
    ct: NonNegative = 0.1  # classification under the context attention
    bg: NonNegative = 0.1  # classification under the background attention
    gui: NonNegative = 2e-3  # guide: the foreground attention is opposite to the background
    smt: NonNegative = 5e-2  # semantic: features are near the dictionary


@dataclass(frozen=True)
class LossSettings:
    """The `loss` section: the training objective."""

    weights: WeightSettings = WeightSettings()
    # The classification terms are -log of the mean of the branches' probabilities (Eq. 4 and 5) |
    # each: the mean of each branch's own -log, so that a branch that is right does not take the
    # other's gradient.
    fusion: Literal["mean", "each"] = "mean"
    # Targets of a video's classes: unit: they sum to 1 (ACM-Net) | raw: 1 each (Eq. 5 as printed)
    targets: Literal["unit", "raw"] = "unit"
    # The paper prints a mean over time with the factor of ACM-Net, whose code sums: 750 times more.
    gui_reduction: Reduction = "mean"  # of the guide term: mean (paper) | sum (ACM-Net)
    # Background in the guide term: of softmax(z) (ACM-Net) | logit: z itself (Eq. 7 as printed)
    gui_bg: Background = "probability"
    gui_detach: bool = False  # true: the guide term does not reach the attention (ACM-Net)
    # Share of training in which smt's weight rises from 0 to its value (reading: the paper says
    # "warm-up"); 0: none.
    smt_warmup: Share = 0.1


def loss(
    output: TSSAMOutput, batch: Batch, settings: LossSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted total and the unweighted terms; a term of weight 0 is not computed."""
    targets = dict(zip(("fg", "ct", "bg"), attention_targets(batch.labels).unbind(1), strict=True))
    fused = output.probabilities[:, None]
    branches = fused if settings.fusion == "mean" else output.branches
    found = dict(zip(targets, branches.unbind(2), strict=True))

    def compute(name: str) -> Tensor:
        if name in targets:
            return classification_loss(found[name], targets[name], unit=settings.targets == "unit")
        if name == "smt":
            return dictionary_loss(output.features, output.dictionary, output.cas)
        return opposite_loss(
            output.attention[None],
            suppress(output.cas, output.attention, "product"),
            background=settings.gui_bg,
            reduction=settings.gui_reduction,
            detach=settings.gui_detach,
        )

    # In the order of the names, as `weighted_sum`; here a weight changes during training.
    weights = {name: weight for name, weight in sorted(asdict(settings.weights).items()) if weight}
    terms = {name: compute(name) for name in weights}
    if "smt" in weights:
        weights["smt"] *= warmup_factor(batch.progress, settings.smt_warmup)
    return sum(weights[name] * term for name, term in terms.items()), terms


def classification_loss(probabilities: Tensor, targets: Tensor, *, unit: bool = True) -> Tensor:
    """-sum_c y_c log(p_c + eps), mean over videos and branches (TS-SAM, Eq. 5).

    probabilities `[B, N, C+1]` of N branches, targets `[B, C+1]`, 0 or 1; `unit` brings a video's
    targets to sum 1.
    """
    if unit:
        targets = targets / targets.sum(1, keepdim=True).clamp_min(1)
    return -(targets[:, None] * (probabilities + EPS).log()).sum(-1).mean()


def attention_targets(labels: Tensor) -> Tensor:
    """Targets under foreground, context and background: `[B, C]` -> 0 or 1 `[B, 3, C+1]`.

    The foreground has the video's actions and no background, the context both, the background only
    itself (ACM-Net, TS-SAM).
    """
    zero, one = labels.new_zeros(len(labels), 1), labels.new_ones(len(labels), 1)
    foreground = torch.cat([labels, zero], 1)
    context = torch.cat([labels, one], 1)
    background = torch.cat([torch.zeros_like(labels), one], 1)
    return torch.stack([foreground, context, background], 1)


def dictionary_loss(features: Tensor, dictionary: Tensor, logits: Tensor) -> Tensor:
    """Mean over snippets of || x_t - Q[argmax_c p_t] ||, unsquared (TS-SAM, Eq. 6).

    features `[B, T, D]`, dictionary `[C+1, D]`, logits `[B, T, C+1]` of which the largest, the
    background's too, names the entry. Gradient flows to the features and the dictionary, none to
    the logits.
    """
    entries = functional.embedding(logits.argmax(-1), dictionary)
    return ((features - entries).square().sum(-1) + ROOT_EPS).sqrt().mean()


def warmup_factor(progress: float, share: float) -> float:
    """A weight's factor: from 0 to 1 on a line over the first `share` of training, then 1."""
    return min(1.0, progress / share) if share else 1.0


TRAINING = TrainingHalf(
    name="tssam",
    run_settings=RunSettings,
    loss_settings=LossSettings,
    build=build,
    loss=loss,
    prepare=prepare,
    attentions=lambda run: {"ct": "attention_ct", "bg": "attention_bg"},
    video_score="video_score",
    snippets_scored=lambda run: run.model.test_length,
)
