"""Two feature files side by side: lengths, similarity per stream, causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from wstal.plots.style import AUDIO, FLOW, FUSED, RGB

COLOURS = {"rgb": RGB, "flow": FLOW, "audio": AUDIO}


def plot_comparison(rows: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> Figure:
    """Draw the rows of `compare_files`; `names` are the names of the two files."""
    figure, (lengths, similarity, causes) = plt.subplots(
        1, 3, figsize=(12, 3.2), layout="constrained", width_ratios=(1, 1, 1.2)
    )
    a, b = ([row[key] for row in rows] for key in ("rows_a", "rows_b"))
    longest = max([*a, *b])
    for rate, text in ((1, "equal"), (1.2, "25 against 30 fps"), (1 / 1.2, "30 against 25 fps")):
        lengths.plot([0, longest], [0, longest * rate], color=FUSED, linewidth=0.5)
        lengths.annotate(text, (longest, longest * rate), fontsize=5, color=FUSED)
    lengths.scatter(a, b, s=6, color=RGB, linewidth=0)
    lengths.set_xlabel(f"rows, a: {names[0]}")
    lengths.set_ylabel(f"rows, b: {names[1]}")
    bins = np.linspace(-0.2, 1, 49)
    keys = [key for key in dict.fromkeys(k for row in rows for k in row) if key[:6] == "match_"]
    for key in keys:
        stream = key.removeprefix("match_")
        values = np.clip([row[key] for row in rows if key in row], bins[0], 1)
        similarity.hist(
            values, bins, histtype="step", label=stream, color=COLOURS.get(stream, FUSED)
        )
    similarity.set_xlabel("centred cosine of a video, once aligned")
    similarity.set_ylabel("videos")
    if keys:
        similarity.legend()
    counts = Counter(cause for row in rows for cause in row["causes"].split("; ")).most_common(6)
    causes.barh([text for text, _ in counts][::-1], [n for _, n in counts][::-1], color=FUSED)
    causes.set_xlabel("videos")
    return figure
