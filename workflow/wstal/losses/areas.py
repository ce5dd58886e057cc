"""Anchored proposals with regressed boundaries, and the areas around them (ACN, section 2.3).

Positions are snippet indices and ranges are inclusive, as in the paper: a..b spans b-a+1 snippets.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


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
