"""A metric over the values of one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wstal.plots.style import FUSED


def plot_sweep(
    values: Sequence[float], rows: Sequence[Mapping[str, Any]], setting: str, title: str = ""
) -> Figure:
    """Draw mean and standard deviation over seeds at each value, in equal distances.

    `rows` has a mapping with metric, mean, sd (percent; not a number for one seed) and n for each
    of the `values`.
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    chosen = [rows[i] for i in order]
    spread = [row["sd"] if row["sd"] == row["sd"] else 0.0 for row in chosen]
    figure, axis = plt.subplots(figsize=(4.5, 2.8), layout="constrained")
    means = [row["mean"] for row in chosen]
    axis.errorbar(range(len(order)), means, spread, color=FUSED, marker="o", capsize=3)
    labels = [f"{values[i]:g}\n{rows[i]['run'].partition('-')[2] or 'default'}" for i in order]
    axis.set_xticks(range(len(order)), labels, fontsize=6)
    axis.set_xlabel(setting)
    axis.set_ylabel(f"{chosen[0]['metric']} (%), mean ± sd of {chosen[0]['n']} seeds")
    axis.set_title(title)
    return figure
