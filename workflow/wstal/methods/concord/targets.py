"""From the teachers' scores to soft targets: how many of them, at how many thresholds, see a class.

A teacher's evidence for a class is its attention times the class's probability. The target of a
snippet is the share of thresholds, relative to the highest evidence in the video, that it passes,
averaged over teachers: where they agree it is near 0 or 1, where they do not it is in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wstal.base.settings import Share
from wstal.localize.segments import ThresholdSettings


@dataclass(frozen=True)
class TargetSettings:
    """The `targets` of the `loss` section."""

    thresholds: ThresholdSettings = ThresholdSettings(0.1, 0.9, 9)  # relative to the peak
    cut: Share = 0.35  # a target under it is background
    hard: bool = False  # targets that are not background are 1


class Targets(NamedTuple):
    """What the teachers say of K pairs of a video and a class of it."""

    video: Tensor  # int64 [K]
    label: Tensor  # int64 [K]
    share: Tensor  # [K, T], 0 for background
    start: Tensor  # [K, T], of the segment around each snippet, in snippets
    end: Tensor  # [K, T]


def evidence(upstream: Mapping[str, Tensor], num_classes: int) -> list[Tensor]:
    """Each teacher's attention times class probabilities, `[B, T, C]`."""
    names = sorted(n.removeprefix("cas_") for n in upstream if n.startswith("cas_"))
    return [
        upstream[f"cas_{name}"][..., :num_classes] * upstream[f"attention_{name}"][..., None]
        for name in names
    ]


@torch.no_grad()
def targets(
    upstream: Mapping[str, Tensor], labels: Tensor, mask: Tensor | None, settings: TargetSettings
) -> Targets:
    """Return the targets of a batch: upstream scores `[B, T, ...]`, labels `[B, C]`."""
    video, label = labels.nonzero(as_tuple=True)
    grid = torch.from_numpy(settings.thresholds.grid()).to(labels)
    parts = []
    for of_teacher in evidence(upstream, labels.shape[1]):
        sequence = of_teacher[video, :, label]
        if mask is not None:
            sequence = sequence * mask[video]
        peak = sequence.amax(1, keepdim=True).clamp_min(torch.finfo(sequence.dtype).tiny)
        relative = (sequence / peak).contiguous()
        parts.append(torch.searchsorted(grid, relative) / len(grid))  # thresholds below it
    share = torch.stack(parts).mean(0).to(labels)
    start, end = segments_around(share, settings.cut)
    share = share * (share >= settings.cut)
    return Targets(video, label, (share > 0).to(share) if settings.hard else share, start, end)


def segments_around(share: Tensor, cut: float) -> tuple[Tensor, Tensor]:
    """Start and end, in snippets, of the run of `share >= cut` around each snippet, `[K, T]`.

    A boundary lies where the line between the middles of two snippets crosses the cut.
    """
    count = share.shape[1]
    time = torch.arange(count, device=share.device).expand_as(share)
    low = share < cut
    before = time.where(low, -1).cummax(1).values  # the last snippet under the cut, -1: none
    after = time.where(low, count).flip(1).cummin(1).values.flip(1)

    def crossing(outer: Tensor, inner: Tensor) -> Tensor:
        a = share.gather(1, outer.clamp(0, count - 1))
        b = share.gather(1, inner.clamp(0, count - 1))
        return ((cut - a) / (b - a).clamp_min(1e-6)).clamp(0, 1)

    start = before + 0.5 + crossing(before, before + 1)
    end = after + 0.5 - crossing(after, after - 1)
    start = start.where(before >= 0, 0)
    return start, end.where(after < count, float(count))
