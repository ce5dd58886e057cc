"""The style that all figures share."""

from __future__ import annotations

import re
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
        "text.parse_math": False,  # a `$` in the name of a file or class is a letter
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
        if temporary.suffix == ".svg" and _CONTROLS.search(text := temporary.read_text("utf-8")):
            temporary.write_text(_CONTROLS.sub("\ufffd", text), encoding="utf-8")
    plt.close(figure)


# Characters that XML does not take in any form: from names of files and classes.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
