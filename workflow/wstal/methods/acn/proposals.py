"""ACN's proposals: their boundaries, their value, and which of them stay.

Sliding anchors with regressed boundaries have an area on either side (section 3.2). A proposal's
value is L (section 2): the contrast of its class probabilities with those around it, and the
coherence of its features with its sides'. Training and localization make the same selection
(section 3.3). Sections and equations are those of the paper.

Positions are snippet indices and ranges are inclusive, as in the paper: a..b spans b-a+1 snippets.
[R] marks how an ambiguity of the paper is resolved here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wstal.base.settings import Share

DiscardRule = Literal["location", "contains"]


@dataclass(frozen=True)
class SelectionSettings:
    """Value and selection of proposals, in the `loss` and in the `localize` section."""

    # Weight of L_OIC in L, the rest is that of L_c (paper; section 4.4 varies it); 1: L_OIC alone,
    # 0: L_c alone. A detection's score is -L.
    alpha: Share = 0.6
    # Classes of a video score above it (paper). Training takes them from the video's labels, all
    # of its labels if none passes [R].
    class_threshold: Share = 0.1
    scp_threshold: Share = 0.1  # snippets of a lower class probability are discarded (paper)
    # contains: no proposal that covers a discarded snippet stays (the paper read literally, better
    # on validation videos) | location: a discarded snippet keeps no proposal (AutoLoc)
    discard_rule: DiscardRule = "contains"


class Areas(NamedTuple):
    """Boundaries of each anchor's proposals, `[B, A, T]`, float64; index t starts at snippet t.

    outer_start..start is the start area, start..end the action, end..outer_end the end area. Where
    `valid` is false (the anchor leaves the video) the others hold the areas of snippet 0.
    """

    outer_start: Tensor
    start: Tensor
    end: Tensor
    outer_end: Tensor
    valid: Tensor

    def of(self, videos: Tensor) -> Areas:
        """The areas of these videos `[M]`, in this order, with repetition."""
        return Areas(*(value[videos] for value in self))


def areas_of(shifts: Tensor, anchors: Tensor, margins: Tensor, lengths: Tensor) -> Areas:
    """Refined proposals i..i+P of every anchor P, i = 0..T-P-1 (equations 5 and 6).

    `shifts [B, A, T, 2]` say by how much a start and an end *at that location* would move, so
    that a proposal takes its start's shift at i and its end's at i+P. `anchors [A]` and `margins
    [A]`, the width of the areas beside the action, are in snippets; `lengths [B]` are the videos'.
    """
    shifts, anchors, margins = shifts.double(), anchors.double(), margins.double()
    count = shifts.shape[2]
    first = torch.arange(count, device=shifts.device)
    last = first + anchors.long()[:, None]  # [A, T]
    at_end = last.clamp(max=count - 1).expand(len(shifts), -1, -1)
    valid = last < lengths[:, None, None]
    start = first + shifts[..., 0]
    end = last + shifts[..., 1].gather(2, at_end)
    edges = (start - margins[:, None], start, end, end + margins[:, None])
    safe = (edge.where(valid, float(at)) for edge, at in zip(edges, (-1, 0, 0, 1), strict=True))
    return Areas(*safe, valid)


def covered(areas: Areas, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """First and last snippet whose centre lies in the action, int64 `[B, A, T]`, in the video.

    The paper does not say what a boundary between two snippets covers.
    """
    limit = (lengths - 1)[:, None, None]
    first = (areas.start.detach() - 0.5).ceil().long().clamp(min=0)
    last = (areas.end.detach() + 0.5).floor().long()
    return first.minimum(limit), last.minimum(limit)


def outer_inner_contrast(scores: Tensor, areas: Areas, lengths: Tensor) -> Tensor:
    """Mean score around a proposal minus mean score inside: `[M, T]` -> L_OIC `[M, A, T]`.

    Equation 1, after AutoLoc (Shou et al., ECCV 2018). `wstal.localize.segments` is the contrast
    of whole snippets; here boundaries are fractional and have gradients. `areas` are those of the M
    rows, `lengths [M]` how many snippets of a row count; scores beyond are taken as zero. As in
    AutoLoc's code an action is cut at one snippet outside the video, its surroundings at two.

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


EMPTY = 1e-8  # share of the strongest snippet's squared norm; areas below it are empty


def product_prefix(features: Tensor, mask: Tensor | None = None, *, center: bool = False) -> Tensor:
    """Inner products of the prefix sums of `[B, T, D]`: float64 `[B, T+1, T+1]`.

    A proposal's cosines need nothing else of the features, so that their cost does not depend on
    D. What `mask [B, T]` leaves out counts as zero. `center` takes the video's mean off first.
    """
    if mask is not None:
        features = features * mask[..., None]
    if center:
        count = features.shape[1] if mask is None else mask.sum(1)[:, None, None]
        features = features - features.sum(1, keepdim=True) / count
        features = features if mask is None else features * mask[..., None]
    # Double precision: a proposal's inner products are small differences of large sums.
    sums = functional.pad(features.double().cumsum(1), (0, 0, 1, 0))
    return sums @ sums.mT


def coherence(prefix: Tensor, areas: Areas, lengths: Tensor) -> Tensor:
    """L_c `[B, A, T]`: mean cosine of the action's features with its two sides' (equations 2, 3).

    `prefix` is `product_prefix` of the features, `lengths [B]` the videos'. The areas include the
    boundary snippet itself; a cosine depends neither on their being means nor on the zeros outside.

    Only a side counts that has a snippet of the video beyond the action (and features that are
    not all zero); without one L_c is 1. The paper does not treat these: taken as zero vectors,
    video ends would pass for perfect boundaries.
    """
    products = inner_products(prefix, areas)
    squares = products.diagonal(dim1=1, dim2=2).movedim(-1, 1)  # [B, 3, A, T]
    sums = prefix.diagonal(dim1=1, dim2=2)
    strongest = (sums[:, 1:] + sums[:, :-1] - 2 * prefix.diagonal(1, 1, 2)).amax(1)
    filled = squares > EMPTY * strongest[:, None, None, None]
    room = torch.stack(
        [areas.start >= 1, areas.end <= (lengths - 2)[:, None, None]], 1
    )  # [B, 2, A, T]
    used = room & filled[:, ::2] & filled[:, 1:2]
    norms = (squares[:, ::2] * squares[:, 1:2]).where(used, squares.new_ones(())).sqrt()
    cosines = (products[:, 1, ::2] / norms).where(used, squares.new_zeros(()))
    count = used.sum(1)
    return (cosines.sum(1) / count.clamp(min=1)).where(count > 0, squares.new_ones(()))


def inner_products(prefix: Tensor, areas: Areas) -> Tensor:
    """Inner products of the features' sums over start area, action and end area.

    `prefix [B, T+1, T+1]` holds those of the features' prefix sums; between two snippets it is
    interpolated in both directions, which is exactly the inner product of the interpolated sums.
    Returns `[B, 3, 3, A, T]`, differentiable in the boundaries.
    """
    edges = (
        *(areas.outer_start, areas.start + 1),
        *(areas.start, areas.end + 1),
        *(areas.end, areas.outer_end + 1),
    )
    points = torch.stack(edges, 1).flatten(2)  # [B, 6, A T]
    size = prefix.shape[1]
    left, share = split(points, size - 1)
    row, column = left[:, :, None] * size, left[:, None]
    flat = prefix.flatten(1)

    def corner(offset: int) -> Tensor:
        index = row + column + offset
        return flat.gather(1, index.flatten(1)).view(index.shape)

    across = share[:, None]
    top, below = corner(0).lerp(corner(1), across), corner(size).lerp(corner(size + 1), across)
    sums = top.lerp(below, share[:, :, None]).unflatten(2, (3, 2)).unflatten(1, (3, 2))
    rows = sums[:, :, 1] - sums[:, :, 0]  # [B, 3, 3, 2, A T]
    return (rows[:, :, :, 1] - rows[:, :, :, 0]).unflatten(3, areas.start.shape[1:])


def selected(
    scores: Tensor, areas: Areas, lengths: Tensor, passed: Tensor, rule: DiscardRule
) -> Tensor:
    """Return which proposals stay: `scores [M, A, T]`, `passed [M, T]` -> bool `[M, A, T]`.

    Every location keeps the best proposal that covers it (section 3.3). `passed` is true where the
    class is strong enough. `rule` is a reading of the paper's "positions under 0.1 discard":
    `contains` (no proposal that covers one stays) or `location` (such a position keeps no
    proposal, as in AutoLoc's code). `contains` leaves anchors of 64 and more without proposals.
    `lengths [M]`.
    """
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
    """Return the proposals that are the best of those covering a passed location: bool `[M, N]`.

    Proposal n of row m covers locations first..last `[M, N]`, both included; those not `allowed`
    are left out; `passed [M, T]`. Of equal scores the first proposal is the better.

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


# Integrals of sequences between fractional boundaries, from prefix sums. Snippet t covers [t, t+1),
# so the inclusive range of snippets a..b is the interval [a, b+1). The derivative of an integral by
# a boundary is the sequence's value there.


def prefix_sums(x: Tensor) -> Tensor:
    """`[M, T] -> [M, T+1]` float64: sums of the first 0, 1, .., T values."""
    return functional.pad(x.double().cumsum(1), (1, 0))


def between(prefix: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """Integral over [start, stop) per row: `[M, T+1]` and positions `[M, ...]` -> `[M, ...]`.

    The sequence is constant within a snippet and zero beyond its ends.
    """
    return _interpolated(prefix, stop) - _interpolated(prefix, start)


def _interpolated(prefix: Tensor, position: Tensor) -> Tensor:
    left, share = split(position, prefix.shape[1] - 1)
    rows, shape = left.flatten(1), left.shape
    low, high = prefix.gather(1, rows), prefix.gather(1, rows + 1)
    return low.view(shape).lerp(high.view(shape), share)


def split(position: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The snippet (int64) that a position lies in and the share of it that lies before (0..1).

    Positions are brought into [0, length] first. Differentiable in the share.
    """
    inside = position.double().clamp(0, length)
    left = inside.detach().floor().clamp(max=length - 1)
    return left.to(torch.int64), inside - left
