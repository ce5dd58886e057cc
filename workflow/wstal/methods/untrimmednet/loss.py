"""UntrimmedNet's soft selection: a video is a mixture of its chunks' class probabilities."""

from __future__ import annotations

from torch import Tensor


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


def attended_logits(logits: Tensor, attention: Tensor, temperature: float) -> Tensor:
    """Class logits of whole videos, `[B, C]`: the mean over time weighted by attention.

    logits `[B, T, C]`, attention logits `[B, T]`; the weights are softmax(attention /
    temperature) over time, as at the original code's test time.
    """
    weights = (attention / temperature).softmax(1)
    return (weights.unsqueeze(-1) * logits).sum(1)
