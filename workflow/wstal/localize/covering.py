"""ACN's selection: every location keeps the best proposal that covers it (section 2.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from wstal.errors import WstalError
from wstal.losses.areas import Areas, covered


def selected(scores: Tensor, areas: Areas, lengths: Tensor, passed: Tensor, rule: str) -> Tensor:
    """Which proposals stay: `scores [M, A, T]`, `passed [M, T]` -> bool `[M, A, T]`.

    `passed` says where the class is strong enough. `rule` is what the paper's "positions under
    0.1 discard" means: `location` (such a position keeps no proposal) or `contains` (no proposal
    that covers one stays). `lengths [M]`.

    differs from paper: read literally it is `contains`, which leaves long anchors without
    proposals; AutoLoc's code, its model, gates the location.
    """
    if rule not in ("location", "contains"):
        raise WstalError(f"discard_rule {rule!r} is not one of location, contains")
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
    """Proposals that are the best of those covering some passed location: bool `[M, N]`.

    Proposal n of row m covers locations first..last `[M, N]`, both included; those not `allowed`
    are left out; `passed [M, T]`. Of equal scores the proposal that stands first is better.

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
