"""ACN's figures 1 and 2 as diagrams, every number read from the run's config or the model."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from wstal.methods.acn.localize import AttentionSettings, LocalizeSettings
from wstal.methods.acn.loss import LossSettings
from wstal.methods.acn.network import ACN, RegressionNetwork, RunSettings
from wstal.methods.acn.proposals import areas_of
from wstal.plots.diagram import LINE, arrow, box, canvas
from wstal.plots.style import AUDIO, FLOW, FUSED, GROUND_TRUTH, RGB

COLOURS = {"rgb": RGB, "flow": FLOW}
SCORES = ("class probability S", "attention A, video score v")


def system_overview(run: RunSettings, loss: LossSettings, settings: LocalizeSettings) -> Figure:
    """Draw figure 1: from the streams' features to detections. The settings are the fused run's."""
    fusion, alpha = settings.fusion, loss.alpha
    anchors = ", ".join(map(str, run.model.anchors))
    rules = [f"v > {settings.class_threshold:g}, S ≥ {settings.scp_threshold:g}"]
    rules += [*_gate(settings.attention), "best proposal over each location"]
    figure, axes = canvas((11, 5), (0, 124), (0, 60))
    formula = f"L = {alpha:g} L_OIC + {1 - alpha:g} (L_c − 1)"
    lines = ["training", formula, "mean over selected proposals"]
    training = box(axes, (28, 26), (54, 8), lines, FUSED)
    value = "−L" if fusion.score == "loss" else "(1 − L) / 2"
    lines = [f"score {value}", f"rgb: score × {fusion.discount:g},"]
    lines = ["fusion", "all flow proposals", *lines, f"kept where IoU < {fusion.iou:g}"]
    fused = box(axes, (100, 23), (23, 14), lines, GROUND_TRUTH)
    for stream, scores_at, networks_at in (("flow", 49, 37), ("rgb", 3, 15)):
        colour, middle = COLOURS[stream], (scores_at + networks_at + 8) / 2
        lines = [f"{stream} features", "[T, D]"]
        features = box(axes, (1, middle - 4), (14, 8), lines, colour)
        scores = box(axes, (22, scores_at), (27, 8), [run.scores_from, *SCORES], colour)
        lines = ["regression networks", f"P = {anchors}"]
        networks = box(axes, (22, networks_at), (27, 8), lines, colour)
        lines = ["selection", *rules, f"score −L, NMS {settings.nms_iou:g}"]
        selection = box(axes, (58, middle - 7), (30, 14), lines, colour)
        for pair in ((features, scores), (features, networks)):
            arrow(axes, *pair)
        for pair in ((scores, selection), (networks, selection), (selection, fused)):
            arrow(axes, *pair)
        if run.model.inputs == "with_scores":
            _step(axes, scores, networks, 35)
        _step(axes, networks, training, 38)
        _step(axes, selection, training, 70)
    return figure


def _gate(attention: AttentionSettings) -> list[str]:
    if attention.mode == "none":
        return []
    floor = f"its training quantile {attention.quantile:g}"
    return [f"A ≥ {floor if attention.mode == 'quantile' else f'{attention.value:g}'}"]


def regression_figure(model: ACN, shown: int = 8) -> Figure:
    """Draw figure 2: the regression network of each anchor, and the areas of a refined proposal.

    The proposal is that of the anchor of `shown` snippets (or the nearest to it).
    """
    figure, (top, below) = plt.subplots(
        2, 1, figsize=(9, 5.4), height_ratios=[2.4, 2], constrained_layout=True
    )
    _draw_networks(top, model.networks)
    anchors = model.anchors.tolist()
    _draw_areas(below, model, min(anchors, key=lambda anchor: abs(anchor - shown)))
    return figure


def layer_lines(network: RegressionNetwork) -> list[str]:
    """Describe each layer of a network."""
    lines = []
    for layer in network.layers:
        kernel, out, channels = layer.weight.shape
        dilation = f", dilation {layer.dilation}" if kernel > 1 else ""
        lines.append(f"conv {kernel}, {channels} → {out}{dilation}")
    return lines


def _draw_networks(axes: Axes, networks: Sequence[RegressionNetwork]) -> None:
    axes.set(xlim=(0, 100), ylim=(0, 10 * len(networks) + 6))
    axes.axis("off")
    axes.text(0, 10 * len(networks) + 3, "one network per anchor", weight="bold")
    for row, network in enumerate(reversed(networks)):
        y = 10 * row + 1
        axes.text(0, y + 3.5, f"P = {network.anchor}", va="center")
        boxes = []
        for column, line in enumerate(layer_lines(network)):
            last = column == len(network.layers) - 1
            text = [line + ("" if last else ", ReLU")]
            boxes.append(box(axes, (8 + 25 * column, y), (22, 7), text, FLOW))
        for pair in zip(boxes, boxes[1:], strict=False):
            arrow(axes, *pair)
        text = f"shifts ±{network.anchor / 2:g}; sees {network.receptive_field} snippets"
        axes.text(82, y + 3.5, text, va="center")


def _draw_areas(axes: Axes, model: ACN, anchor: float) -> None:
    row = model.anchors.tolist().index(anchor)
    count, start = int(3 * anchor) + 1, int(anchor)
    shifts = torch.zeros(1, len(model.anchors), count, 2)
    shifts[0, row, start, 0], shifts[0, row, start + int(anchor), 1] = -anchor / 5, anchor / 8
    areas = areas_of(shifts, model.anchors, model.margins, torch.tensor([count]))
    edges = [edge[0, row, start].item() for edge in areas[:4]]
    for t in range(count):
        axes.add_patch(Rectangle((t, 0), 1, 1, fc="#f2f2f2", ec="white"))
    axes.add_patch(Rectangle((start, 1.3), anchor + 1, 0.7, fc="none", ec=FUSED, ls="--"))
    axes.text(
        start + (anchor + 1) / 2, 1.65, f"anchor: {anchor + 1:g} snippets", ha="center", va="center"
    )
    outer_start, begin, end, outer_end = edges
    parts = (
        (outer_start, begin, RGB, "start area R_s"),
        (begin, end, GROUND_TRUTH, "action R_a"),
        (end, outer_end, AUDIO, "end area R_e"),
    )
    for level, (a, b, colour, name) in zip((3.3, 2.3, 3.3), parts, strict=True):
        axes.add_patch(Rectangle((a, level), b - a + 1, 0.7, fc=colour, alpha=0.6))
        axes.text((a + b + 1) / 2, level + 0.35, name, ha="center", va="center")
        axes.vlines([a, b + 1], 0, level, color=colour, lw=0.6, ls=":")
    for at, name, x in ((begin, "x_s'", start), (end + 1, "x_e'", start + anchor + 1)):
        axes.annotate(name, (at, -0.25), (x, -0.9), ha="center", arrowprops=LINE)
    axes.set(xlim=(0, count), ylim=(-1.1, 4.1), yticks=[], xlabel="snippet")
    axes.set_xticks(np.arange(0, count, max(1, int(anchor) // 4)))
    axes.spines["left"].set_visible(False)


def _step(axes: Axes, start: FancyBboxPatch, stop: FancyBboxPatch, x: float) -> None:
    """Draw a vertical arrow at `x` between two boxes of which one is above the other."""
    above = start.get_y() > stop.get_y()
    ends = [
        box.get_y() + box.get_height() * (box is (stop if above else start))
        for box in (start, stop)
    ]
    axes.annotate("", (x, ends[1]), (x, ends[0]), arrowprops=LINE)
