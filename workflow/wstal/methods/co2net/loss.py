"""CO2-Net's training objective: six losses on one batch, weighted and added.

"Code" is the official implementation, commit e879687. Where it and the paper differ, the code is
the default and the paper's reading is a setting.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from wstal.base.settings import Count, NonNegative
from wstal.losses.coactivity import coactivity_loss
from wstal.losses.mil import Suppression, opposite_loss, snippets_kept, suppress, video_logits
from wstal.methods.co2net.network import (
    CO2Output,
    RunSettings,
    attentions,
    build,
    from_published,
)
from wstal.methods.contract import Batch, TrainingHalf, weighted_sum

Distance = Literal["mse", "mae", "kl", "js"]
Norm = Literal["mean", "l1"]


@dataclass(frozen=True)
class WeightSettings:
    """Factor of each term; 0 leaves the term out."""

    mil_orig: NonNegative = 1.0  # classification by the original sequence (paper and code)
    mil_supp: NonNegative = 1.0  # classification by the background-suppressed sequence
    coactivity: NonNegative = 1.0  # co-activity similarity of paired videos
    mutual: NonNegative = 1.0  # mutual learning of the two attentions (paper and code)
    norm: NonNegative = 0.8  # sparsity of attention
    guide: NonNegative = 0.8  # attention opposite to background (the paper's "oppo")


@dataclass(frozen=True)
class LossSettings:
    """The `loss` section: the training objective."""

    weights: WeightSettings = WeightSettings()
    topk: Count = 7  # a video's score is the mean of its T / topk strongest snippets (code)
    # anchored: A (S - min S) + min S (code, training) | product: A S (paper, Eq. 9)
    suppression: Suppression = "anchored"
    mutual: Distance = "mse"  # distance between the attentions (Table 4)
    norm: Norm = "mean"  # mean over snippets (code) | l1: their sum (paper)


def loss(
    output: CO2Output, batch: Batch, settings: LossSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted total and the unweighted terms; a term of weight 0 is not computed."""
    labels, logits = batch.labels, output.logits
    all_three = torch.stack([output.attention, output.attention_rgb, output.attention_flow])
    suppressed = suppress(logits, output.attention, settings.suppression)
    k = snippets_kept(logits.shape[1], settings.topk)
    terms = {
        "mil_orig": lambda: mil_loss(logits, labels, k, background=1.0),
        "mil_supp": lambda: mil_loss(suppressed, labels, k, background=0.0),
        "coactivity": lambda: coactivity_loss(output.features, suppressed, labels, batch.pairs),
        "mutual": lambda: mutual_loss(*all_three[1:], settings.mutual),
        "norm": lambda: norm_loss(all_three, settings.norm),
        "guide": lambda: opposite_loss(all_three, logits),
    }
    return weighted_sum(asdict(settings.weights), terms)


def mil_loss(cas: Tensor, labels: Tensor, k: int, *, background: float) -> Tensor:
    """Cross-entropy of the video-level prediction, mean over the batch.

    cas `[B, T, C+1]` logits, labels `[B, C]`; `background` is the target of the last class: 1
    for the original sequence (every untrimmed video has background), 0 for the suppressed one.
    differs from paper: it does not state these background targets; the code has them.
    """
    target = torch.cat([labels, labels.new_full((len(labels), 1), background)], 1)
    target = target / (target.sum(1, keepdim=True) + 1e-4)
    return -(target * video_logits(cas, k).log_softmax(1)).sum(1).mean()


def mutual_loss(first: Tensor, second: Tensor, distance: Distance) -> Tensor:
    """Half the distance of each attention `[B, T]` to the other, which gets no gradient.

    `kl` and `js` take each snippet's attention as a Bernoulli probability (a reading: the paper
    does not say over what they are taken); `kl` runs from the fixed attention to the learning
    one, as in deep mutual learning.
    """
    measure = {"mse": functional.mse_loss, "mae": functional.l1_loss, "kl": _kl, "js": _js}
    towards_second = measure[distance](first, second.detach())
    towards_first = measure[distance](second, first.detach())
    return 0.5 * towards_second + 0.5 * towards_first


def _bernoulli_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of Bernoulli probabilities, elementwise, finite at 0 and 1."""
    p, q = _inside(p), _inside(q)
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def _inside(p: Tensor) -> Tensor:
    """Values kept off 0 and 1, with the gradients of the values themselves.

    A clamp alone has no gradient beyond its bounds: saturated attentions would never move again.
    """
    tiny = torch.finfo(p.dtype).eps
    return p + (p.clamp(tiny, 1 - tiny) - p).detach()


def _kl(learning: Tensor, fixed: Tensor) -> Tensor:
    return _bernoulli_kl(fixed, learning).mean()


def _js(learning: Tensor, fixed: Tensor) -> Tensor:
    middle = (learning + fixed) / 2
    return (_bernoulli_kl(learning, middle) + _bernoulli_kl(fixed, middle)).mean() / 2


def norm_loss(attentions: Tensor, reduction: Norm) -> Tensor:
    """Sparsity of the stacked attentions `[N, B, T]`: their mean.

    differs from paper: it writes the L1 norm, a sum over time (`l1`); the code takes the mean.
    """
    sparsity = attentions.abs()
    return sparsity.mean() if reduction == "mean" else sparsity.sum(-1).mean()


TRAINING = TrainingHalf(
    name="co2net",
    run_settings=RunSettings,
    loss_settings=LossSettings,
    build=build,
    loss=loss,
    attentions=attentions,
    from_published=from_published,
)
