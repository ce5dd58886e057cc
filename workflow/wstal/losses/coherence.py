"""Coherence of a proposal with its borders (ACN, equations 2 and 3): low where content changes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from wstal.losses.areas import Areas
from wstal.losses.integral import split

# Of the strongest snippet's squared norm; areas below it are empty.
EMPTY = 1e-8


def product_prefix(features: Tensor, mask: Tensor | None = None, *, center: bool = False) -> Tensor:
    """Inner products of the prefix sums of `[B, T, D]`: float64 `[B, T+1, T+1]`.

    A proposal's cosines need nothing else of the features, so that their cost does not depend
    on D. What `mask [B, T]` leaves out counts as zero. `center` takes the video's mean off first.
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
    """L_c `[B, A, T]`: mean cosine of the action's features with those of its two sides.

    `prefix` is `product_prefix` of the features, `lengths [B]` the videos'. The areas include the
    boundary snippet itself; a cosine does not see that they are means, nor the zeros outside.

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
