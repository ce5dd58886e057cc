"""UntrimmedNet's soft selection: a video is a mixture of its chunks' class probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wstal.base.settings import Count, SettingsError
from wstal.losses.mil import probability_loss
from wstal.methods.contract import Batch, Output, TrainingHalf
from wstal.methods.untrimmednet.network import RunSettings, attentions, build, prepare, stored

EPS = 1e-8  # inside the loss's logarithm


@dataclass(frozen=True)
class LossSettings:
    """The `loss` section: the training objective."""

    chunks: Count = 7  # equal parts of a video whose probabilities are mixed: the code's shots


def loss(output: Output, batch: Batch, settings: LossSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the sum of the streams' losses, and each.

    A stream's is -sum_c y_c / |y| log(mixture_c), mean over videos. Published heads have no
    trainable weights; their loss is logged but changes nothing.
    """
    prefix = "logits_"
    streams = [name.removeprefix(prefix) for name in output.extra if name.startswith(prefix)]
    terms = {}
    for stream in streams:
        logits, attention = (output.extra[f"{k}_{stream}"] for k in ("logits", "attention"))
        mixture = chunk_mixture(logits, attention, settings.chunks)
        terms[f"mil_{stream}"] = probability_loss(mixture, batch.labels, EPS)
    total = torch.stack(list(terms.values())).sum()
    return (total if total.requires_grad else total.clone().requires_grad_()), terms


def chunk_mixture(logits: Tensor, attention: Tensor, chunks: int) -> Tensor:
    """Class probabilities of videos, `[B, C]`, from snippets drawn in equal chunks.

    logits `[B, chunks n, C]` and attention logits `[B, chunks n]` of n snippets per chunk, in
    order. Both are averaged within a chunk; then softmax over the classes of each chunk,
    softmax of the attention over the chunks, and the mean of the former weighted by the latter: a
    mixture of probabilities, not a probability of mixed logits (Wang et al., CVPR 2017).
    """
    classes = logits.unflatten(1, (chunks, -1)).mean(2).softmax(-1)  # [B, chunks, C]
    weights = attention.unflatten(1, (chunks, -1)).mean(2).softmax(1)  # [B, chunks]
    return (weights.unsqueeze(-1) * classes).sum(1)


def check_length(length: int, settings: LossSettings) -> None:
    """Raise SettingsError unless the snippets of a video make equal chunks."""
    if length % settings.chunks:
        raise SettingsError(
            f"data.length is {length}: give a multiple of loss.chunks ({settings.chunks}), three "
            f"snippets per chunk are {3 * settings.chunks}"
        )


TRAINING = TrainingHalf(
    name="untrimmednet",
    run_settings=RunSettings,
    loss_settings=LossSettings,
    build=build,
    loss=loss,
    prepare=prepare,
    activation="probability",
    check_length=check_length,
    attentions=attentions,
    video_score="video_score",
    stored=stored,
)
