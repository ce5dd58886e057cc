"""CAVF's training objective (section 3.4): classification, co-activity and two consistency losses.

"Paper", "open" and "W-TALC" as in network.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, MultipleOf
from torch import Tensor
from torch.nn import functional

from wstal.base.settings import Count, NonNegative, Positive, SettingsError, Share
from wstal.losses.coactivity import coactivity_loss
from wstal.losses.mil import EPS, probability_loss, snippets_kept, video_logits
from wstal.methods.cavf.network import RunSettings, build
from wstal.methods.contract import Batch, Output, TrainingHalf, weighted_sum

Neighbours = Annotated[int, Ge(2), MultipleOf(2)]  # snippets beside each one, both sides together


@dataclass(frozen=True)
class WeightSettings:
    """Factor of each term (paper); 0 leaves the term out."""

    mil: NonNegative = 1.0  # classification of the video by its strongest snippets
    coactivity: NonNegative = 0.8  # co-activity similarity of paired videos
    continuity: NonNegative = 0.8  # foreground continuity; not defined for softmax: 0 there
    pseudo: NonNegative = 1.0  # pseudo localization


@dataclass(frozen=True)
class ContinuitySettings:
    """Window of the foreground continuity."""

    neighbours: Neighbours = 4  # B (paper)
    sigma: Positive = 1.0  # of the Gaussian, in snippets (open)
    # Weights of sum 1 | false, as printed: of peak 1 / (B + 1), which draws the foreground to 0.
    normalize: bool = True
    # The windowed means are targets, and learn nothing through this term (open; the paper
    # mentions no stop of the gradient).
    stop_gradient: bool = False


@dataclass(frozen=True)
class PseudoSettings:
    """Neighbourhood of the pseudo localization."""

    neighbours: Neighbours = 4  # N (open: as B)
    threshold: Share = 0.9  # tau (open): mean probability from which a class counts as agreed
    # agree: from tau up (Eq. 9) | differ: below tau (the words of appendix B.1).
    where: Literal["agree", "differ"] = "agree"


@dataclass(frozen=True)
class LossSettings:
    """The `loss` section: the training objective."""

    weights: WeightSettings = WeightSettings()
    # A video's probability is the mean of its T / topk strongest snippets, rounded up (open;
    # W-TALC).
    topk: Count = 8
    # Weight of background as a target beside a video's classes (open; chosen on validation clips,
    # docs/cavf.md); a video without any class has it as its one target. 0 is refused: nothing
    # else makes a snippet background, and all end as foreground.
    mil_background: Share = 0.5
    continuity: ContinuitySettings = ContinuitySettings()
    pseudo: PseudoSettings = PseudoSettings()

    def __post_init__(self) -> None:
        if self.mil_background == 0 and self.weights.mil:
            raise SettingsError(
                "mil_background is 0, so that no snippet of a video with a class has background as "
                "a target and all end as foreground; give it a weight, for example 0.5"
            )


def loss(output: Output, batch: Batch, settings: LossSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted total and the unweighted terms; a term of weight 0 is not computed.

    `pseudo_active`, the share of snippets that the pseudo localization would act on, is always
    among the terms and never in the total.
    """
    labels, mask, p = batch.labels, batch.mask, output.cas
    near = settings.pseudo
    found = nearby_class(p, near, mask)
    total, terms = weighted_sum(
        asdict(settings.weights),
        {
            "mil": lambda: classification_loss(p, labels, settings, mask),
            "coactivity": lambda: coactivity_loss(
                output.features, output.extra["class_logits"], labels, batch.pairs, mask=mask
            ),
            "continuity": lambda: continuity_loss(
                output.attention, p, labels, settings.continuity, mask
            ),
            "pseudo": lambda: pseudo_loss(p, *found, mask),
        },
    )
    return total, terms | {"pseudo_active": active_share(found[1], mask)}


def classification_loss(
    probabilities: Tensor, labels: Tensor, settings: LossSettings, mask: Tensor | None
) -> Tensor:
    """Cross-entropy of each class's k strongest snippets' mean probability, background included.

    The paper has no formula for it. A video of background alone has that one target; in any other
    video background has the weight `mil_background` beside its classes, up to 1: as much as a
    class.
    """
    background = background_only(labels).clamp_min(settings.mil_background)
    k = snippets_kept(probabilities.shape[1], settings.topk, mask, round_up=True)
    video = video_logits(probabilities, k, mask)
    return probability_loss(video, torch.cat([labels, background], 1))


def background_only(labels: Tensor) -> Tensor:
    """`[B, C]` -> `[B, 1]`: 1 for a video that shows none of the classes."""
    return (labels.sum(1, keepdim=True) == 0).to(labels.dtype)


def continuity_loss(
    foreground: Tensor,
    probabilities: Tensor,
    labels: Tensor,
    settings: ContinuitySettings,
    mask: Tensor | None = None,
) -> Tensor:
    """Mean |mu - G mu| + |mu - G (mu p_ac(y))| over snippets and videos.

    foreground mu `[B, T]`; probabilities `[B, T, C+1]`, whose classes are mu p_ac; labels
    `[B, C]`, of which the probabilities are added up where a video has several (a reading: the
    paper writes one). A video without any is drawn to mu = 0.
    """
    of_labels = (probabilities[..., :-1] * labels[:, None]).sum(-1)
    both = torch.stack([foreground, of_labels], -1)
    smooth = windowed_mean(both, gaussian(settings), mask)  # Eq. 7 and 8
    smooth = smooth.detach() if settings.stop_gradient else smooth
    apart = (foreground[..., None] - smooth).abs().sum(-1)  # Eq. 6
    return mean_over_snippets(apart, mask)


def nearby_class(
    probabilities: Tensor, settings: PseudoSettings, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The likeliest class `[B, T]` of each neighbourhood and where the term acts `[B, T]`.

    A neighbourhood's probabilities are the mean of its snippets' `[B, T, C+1]`. The term acts
    where the largest is at least `threshold`, or with `differ` where it is less. Background is a
    class like the others. Nothing learns through this.
    """
    near = windowed_mean(probabilities.detach(), uniform(settings.neighbours), mask)
    value, label = near.max(-1)
    agree = value >= settings.threshold
    active = agree if settings.where == "agree" else ~agree
    return label, active if mask is None else active & mask


def pseudo_loss(
    probabilities: Tensor, label: Tensor, active: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Mean over all snippets of -log p(label) where `active`, 0 elsewhere, then over videos.

    differs from paper: appendix B.1 says that the term acts where neighbours do *not* agree,
    Eq. 9 the opposite. The default follows Eq. 9.
    """
    found = probabilities.gather(-1, label[..., None]).squeeze(-1)
    return mean_over_snippets(-torch.log(found + EPS) * active, mask)


def active_share(active: Tensor, mask: Tensor | None = None) -> Tensor:
    """The share of the batch's snippets on which the term acts (appendix B.1)."""
    return active.float().mean() if mask is None else active.sum() / mask.sum()


# Weighted means over a snippet's neighbours in time.


def gaussian(settings: ContinuitySettings) -> Tensor:
    """Return the weights `[neighbours + 1]` of a snippet and its neighbours on both sides, sum 1.

    Without `normalize` the peak is 1 / (neighbours + 1), as printed: the sum is then less than 1,
    and values that are drawn to such a mean are drawn to 0.
    """
    neighbours = settings.neighbours
    offset = torch.arange(neighbours + 1) - neighbours / 2
    weights = torch.exp(-(offset**2) / (2 * settings.sigma**2))
    return weights / (weights.sum() if settings.normalize else neighbours + 1)


def uniform(neighbours: int) -> Tensor:
    """Return equal weights `[neighbours + 1]`, sum 1."""
    return torch.full((neighbours + 1,), 1 / (neighbours + 1))


def windowed_mean(x: Tensor, weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Each snippet's weighted sum with its neighbours: `[B, T, K]`, `[W]` -> `[B, T, K]`.

    W is odd. At a video's ends the weights of the neighbours that exist
    (`mask` `[B, T]` is true for them) are scaled up to the sum of all.
    """
    valid = x.new_ones(x.shape[:2]) if mask is None else mask.to(x.dtype)
    kernel = weights.to(x)
    total = _convolved((x * valid[..., None]).mT, kernel).mT
    there = _convolved(valid[:, None], kernel).mT
    # A padded snippet may have no neighbour at all; its value is not used.
    return total * (kernel.sum() / there.clamp_min(torch.finfo(x.dtype).tiny))


def _convolved(rows: Tensor, kernel: Tensor) -> Tensor:
    """Every row of `[B, K, T]` with a symmetric kernel `[W]`, zeros beyond its ends."""
    half, length = len(kernel) // 2, rows.shape[-1]
    padded = functional.pad(rows, (half, half))
    taps = (padded[..., i : i + length] * weight for i, weight in enumerate(kernel))
    return sum(taps, torch.zeros_like(rows))


def mean_over_snippets(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of `[B, T]` over each video's own snippets, then over videos."""
    if mask is None:
        return x.mean(1).mean()
    return ((x * mask).sum(1) / mask.sum(1)).mean()


TRAINING = TrainingHalf(
    name="cavf",
    run_settings=RunSettings,
    loss_settings=LossSettings,
    build=build,
    loss=loss,
    activation="probability",
    takes_mask=True,
    snippets_scored=lambda run: run.model.test_length,
)
