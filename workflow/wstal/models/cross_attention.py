"""Cross-attention of two sequences: each is gathered by what it has in common with the other.

CAVF (Lee et al., ICLR 2021), section 3.2. Sequences are time-major, `[B, T, D]`, where the paper
writes columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from wstal.errors import WstalError

SKIPS = ("none", "prev", "dense")
# A snippet without sound may be embedded as zeros, where the gradient of a unit vector is
# 1 / epsilon: the usual 1e-12 would be all that Adam ever sees of such a layer.
EPSILON = 1e-3


class CrossAttention(nn.Module):
    """One stage: audio `[B, T, D_u]` and visual `[B, T, D_v]`, each attended, widths kept.

    `scale` multiplies the correlation. differs from paper, where it is 1: with unit vectors of
    1024 channels and Xavier's weights a correlation spreads by 0.03, so that attention starts
    out uniform to within 14 % and the weights have to grow before it is any more than that.
    """

    def __init__(self, audio_width: int, visual_width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(visual_width, audio_width))  # W, transposed
        self.scale = scale
        nn.init.xavier_uniform_(self.weight)

    def forward(
        self, audio: Tensor, visual: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attended audio and visual sequences; `mask` `[B, T]` is true where nothing is padded."""
        to_audio, to_visual = self.attention(audio, visual, mask)
        # Eq. 2: X A; column j of A gathers snippets i for snippet j.
        return to_audio.mT @ audio, to_visual.mT @ visual

    def attention(
        self, audio: Tensor, visual: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A_u and A_v `[B, T, T]`: every column sums to 1, rows of padding are 0."""
        projected = functional.linear(_unit(audio), self.weight)
        correlation = self.scale * projected @ _unit(visual).mT  # Eq. 1, rows audio
        both = correlation, correlation.mT
        if mask is not None:
            both = tuple(c.masked_fill(~mask[:, :, None], -torch.inf) for c in both)
        return both[0].softmax(1), both[1].softmax(1)


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1, eps=EPSILON)


class CrossAttentionStages(nn.Module):
    """`stages` cross-attentions in a row, each with its own weight and `skip` connections.

    `dense` adds the outputs of all earlier stages (the embeddings are the stage before the
    first), `prev` that of the last alone, `none` nothing. Eq. 3 may be read with the attended
    sequence inside the sum, t times at stage t; it is taken once.
    """

    def __init__(
        self, audio_width: int, visual_width: int, stages: int, skip: str, scale: float = 1.0
    ) -> None:
        super().__init__()
        if skip not in SKIPS:
            raise WstalError(f"skip {skip!r} is not one of {', '.join(SKIPS)}")
        self.skip = skip
        self.stages = nn.ModuleList(
            CrossAttention(audio_width, visual_width, scale) for _ in range(stages)
        )

    def forward(
        self, audio: Tensor, visual: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both sequences after the last stage, each of its own width."""
        history = [(audio, visual)]
        for stage in self.stages:
            attended = stage(*history[-1], mask)
            kept = {"none": [], "prev": history[-1:], "dense": history}[self.skip]
            audio, visual = (
                torch.tanh(sum((earlier[m] for earlier in kept), attended[m])) for m in (0, 1)
            )  # Eq. 3
            history.append((audio, visual))
        return history[-1]
