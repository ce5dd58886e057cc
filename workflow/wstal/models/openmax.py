"""Classifiers of snippets: background as the open rest, or as one class among others."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wstal.errors import WstalError


class Classified(NamedTuple):
    """What a classifier says of each snippet; background is last."""

    probabilities: Tensor  # [B, T, C+1], sums to 1
    foreground: Tensor  # [B, T], 1 - the background's probability
    class_logits: Tensor  # [B, T, C], of the action classes


class OpenMax(nn.Module):
    """CAVF, section 3.3: is it any class (mu), and if so which (p_ac)?

    mu p_ac over the classes and 1 - mu for the background: no class stands for background, it
    is where none of the others is.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.classes = nn.Linear(width, num_classes)
        self.foreground = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Classified:
        """`[B, T, D] -> Classified`."""
        logits = self.classes(x)
        foreground = self.foreground(x).sigmoid()  # mu
        probabilities = torch.cat([foreground * logits.softmax(-1), 1 - foreground], -1)
        return Classified(probabilities, foreground.squeeze(-1), logits)


class SoftMax(nn.Module):
    """CAVF's comparison (rows S-0 and S-I): one softmax over classes and background."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.classes = nn.Linear(width, num_classes + 1)

    def forward(self, x: Tensor) -> Classified:
        """`[B, T, D] -> Classified`."""
        logits = self.classes(x)
        probabilities = logits.softmax(-1)
        return Classified(probabilities, 1 - probabilities[..., -1], logits[..., :-1])


def build_classifier(name: str, width: int, num_classes: int) -> nn.Module:
    """The classifier called `name`; raises WstalError for an unknown name."""
    kinds = {"openmax": OpenMax, "softmax": SoftMax}
    if name not in kinds:
        raise WstalError(f"classifier {name!r} is not one of {', '.join(kinds)}")
    return kinds[name](width, num_classes)
