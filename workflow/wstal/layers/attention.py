"""Attention over time: how much of the foreground each snippet is."""

from __future__ import annotations

from torch import Tensor, nn

from wstal.layers.convolution import TemporalConv
from wstal.layers.dropout import Dropout

SLOPE = 0.2  # of every leaky ReLU of the HAM-Net family


class AttentionUnit(nn.Module):
    """Three convolutions and a sigmoid: foreground attention `[B, T]` of a sequence `[B, T, D]`.

    differs from paper: section 3.2 speaks of two convolutions, sections 3.4 and 4.2 and the
    official code of three; dropout is 0.5 there (paper: 0.7, `dropout`) and also falls on the
    logit, so that in training half of the snippets have an attention of exactly 0.5.
    `logit_dropout=0` switches that off.
    """

    def __init__(self, channels: int, hidden: int, *, dropout: float, logit_dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            TemporalConv(channels, hidden),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
            TemporalConv(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            TemporalConv(hidden, 1, kernel=1),
            Dropout(logit_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, T]`."""
        return self.layers(x).squeeze(-1).sigmoid()
