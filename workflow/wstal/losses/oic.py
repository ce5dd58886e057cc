"""Outer-inner contrast of ACN's proposals (Shou et al., AutoLoc, ECCV 2018; ACN equation 1).

The contrast of whole-snippet segments that other methods score with is
`wstal.localize.outer_inner`; here boundaries are fractional and have gradients.
"""

from __future__ import annotations

from torch import Tensor

from wstal.losses.areas import Areas
from wstal.losses.integral import between, prefix_sums


def outer_inner_contrast(scores: Tensor, areas: Areas, lengths: Tensor) -> Tensor:
    """Mean score around a proposal minus mean score inside: `[M, T]` -> L_OIC `[M, A, T]`.

    `areas` are those of the M rows, `lengths [M]` how many snippets of a row count; scores
    beyond are taken as zero. As in AutoLoc's code an action is cut at one snippet outside the
    video, its surroundings at two.

    differs from AutoLoc's code: it maps the contrast to (L + 1) / 2; the "-1" of ACN's equation 4
    only balances with the plain one, in [-1, 1].
    """
    last = lengths[:, None, None]
    start, end = (_cut(x, -1, last) for x in (areas.start, areas.end))
    outer_start, outer_end = (_cut(x, -2, last + 1) for x in (areas.outer_start, areas.outer_end))
    prefix = prefix_sums(scores)
    inner = between(prefix, start, end + 1)
    outer = between(prefix, outer_start, outer_end + 1) - inner
    inner_length = end - start + 1
    outer_length = outer_end - outer_start + 1 - inner_length
    return outer / outer_length - inner / inner_length


def _cut(position: Tensor, low: int, high: Tensor) -> Tensor:
    return position.clamp(min=low).minimum(high.to(position.dtype))


def proposal_loss(contrast: Tensor, coherence: Tensor, alpha: float) -> Tensor:
    """L = alpha L_OIC + (1 - alpha) (L_c - 1), elementwise (equation 4).

    alpha 0 is the coherence alone, alpha 1 the contrast alone (tables 4 and 5).
    """
    return alpha * contrast + (1 - alpha) * (coherence - 1)
