"""Figures of errors and differences: a diagnosis of detections, two feature files side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wstal.evaluate.diagnosis import ERRORS, KINDS
from wstal.plots.style import AUDIO, FLOW, FUSED, GROUND_TRUTH, RGB

COLOURS = dict(
    zip(KINDS, (GROUND_TRUTH, "#264653", "#e9c46a", "#e76f51", "#f4a261", "#adb5bd"), strict=True)
)
AXES = {
    "length": "length",
    "coverage": "share of the video (%)",
    "instances": "instances in the video",
}


def plot_false_positives(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw the share of each kind among the best G, 2G, ... predictions (`false_positives`)."""
    figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
    bottom = np.zeros(table["top"].nunique())
    for kind, part in table.groupby("kind", sort=False):
        label = kind.replace("_", " ")
        axis.bar(part["top"], part["share"], bottom=bottom, label=label, color=COLOURS[kind])
        bottom += part["share"].to_numpy()
    axis.set(xlabel="best predictions, in multiples of the instances", ylabel="share (%)")
    figure.legend(loc="outside right center", reverse=True)
    axis.set_title(title)
    return figure


def plot_operating(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw precision, recall and F1 over the threshold (`mean_points`); the best F1 is marked."""
    figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
    for name, colour in (("precision", FLOW), ("recall", RGB), ("f1", GROUND_TRUTH)):
        label = "F1" if name == "f1" else name
        axis.plot(table["threshold"], table[name], label=label, color=colour)
    for row in table[table["best"] == "yes"].itertuples():
        axis.axvline(row.threshold, color=FUSED, linewidth=0.8, linestyle="--")
        label = f"F1 {row.f1:.1f} at {row.threshold:g}"
        axis.annotate(label, (row.threshold, 2), (4, 0), textcoords="offset points")
    axis.set(xlabel="least probability", ylabel="%", xlim=(0, 1), ylim=(0, 102), title=title)
    axis.legend()
    return figure


def plot_error_impact(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw the mAP gained without each kind of error (`error_impact`)."""
    figure, axis = plt.subplots(figsize=(5, 2.4), layout="constrained")
    gains = table.set_index("kind").loc[list(ERRORS), "map_gain"]
    names = [name.replace("_", " ") for name in gains.index]
    bars = axis.barh(names, gains, color=[COLOURS[kind] for kind in gains.index])
    axis.bar_label(bars, fmt="%.1f", padding=2)
    axis.invert_yaxis()
    base = table.set_index("kind").loc["none", "map_gain"]
    axis.set_xlabel(f"points of mAP gained, on top of {base:.1f}")
    axis.set_title(title)
    return figure


def plot_sensitivity(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw AP and misses per bin of each characteristic of the instances (`sensitivity`)."""
    reference = table[table["characteristic"] == "all"].iloc[0]
    groups = list(table[table["characteristic"] != "all"].groupby("characteristic", sort=False))
    size = (3.2 * len(groups), 4)
    figure, axes = plt.subplots(
        2, len(groups), figsize=size, sharey="row", squeeze=False, layout="constrained"
    )
    for column, (characteristic, part) in enumerate(groups):
        labels = [
            f"{name}\n{span.replace(' to ', '–')}"
            for name, span in zip(part["bin"], part["range"], strict=True)
        ]
        for axis, value in zip(axes[:, column], ("map", "missed"), strict=True):
            colour = FUSED if value == "map" else COLOURS["wrong_label"]
            axis.bar(labels, part[value], color=colour)
            axis.axhline(reference[value], color="black", linewidth=0.8, linestyle="--")
            axis.tick_params(axis="x", labelsize=6)
        axes[0, column].set_title(AXES[characteristic])
    axes[0, 0].set_ylabel("normalised mAP (%)")
    axes[1, 0].set_ylabel("missed (%)")
    figure.suptitle(title)
    return figure


def plot_per_class(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw the AP of each class, the best first (`per_class`)."""
    table = table.sort_values("ap", ascending=False)
    figure, axis = plt.subplots(figsize=(5, 0.6 + 0.18 * max(len(table), 4)), layout="constrained")
    names = [f"{row['class']} ({row['instances']})" for _, row in table.iterrows()]
    axis.barh(names, table["ap"], color=FUSED)
    axis.invert_yaxis()
    axis.set(xlabel="AP (%)", xlim=(0, 100))
    axis.set_title(title)
    return figure


FIGURES = {
    "false_positives": plot_false_positives,
    "error_impact": plot_error_impact,
    "sensitivity": plot_sensitivity,
    "per_class": plot_per_class,
}


STREAM_COLOURS = {"rgb": RGB, "flow": FLOW, "audio": AUDIO}


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
            values, bins, histtype="step", label=stream, color=STREAM_COLOURS.get(stream, FUSED)
        )
    similarity.set_xlabel("centred cosine of a video, once aligned")
    similarity.set_ylabel("videos")
    if keys:
        similarity.legend()
    counts = Counter(cause for row in rows for cause in row["causes"].split("; ")).most_common(6)
    causes.barh([text for text, _ in counts][::-1], [n for _, n in counts][::-1], color=FUSED)
    causes.set_xlabel("videos")
    return figure
