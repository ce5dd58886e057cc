"""The style that all figures share."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wstal.base.files import atomic_path

plt.rcParams.update(
    {
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "wstal",  # equal figures are equal files
        "legend.frameon": False,
    }
)
GROUND_TRUTH, RGB, FLOW, FUSED, AUDIO = "#2a9d8f", "#e76f51", "#264653", "#5c677d", "#e9c46a"


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure atomically, in the format of its suffix, without a date; close it."""
    with atomic_path(path) as temporary:
        metadata = {"Date": None} if temporary.suffix == ".svg" else None
        figure.savefig(temporary, bbox_inches="tight", dpi=150, metadata=metadata)
    plt.close(figure)
