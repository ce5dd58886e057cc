"""Boxes and arrows: the parts of diagrams."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from wstal.plots.style import FUSED

LINE = {"color": FUSED, "lw": 0.8, "arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0}


def canvas(
    size: tuple[float, float], across: tuple[float, float], up: tuple[float, float]
) -> tuple[Figure, Axes]:
    """Return an empty figure of `size` inches whose axes span `across` and `up`."""
    figure, axes = plt.subplots(figsize=size)
    axes.set(xlim=across, ylim=up)
    axes.axis("off")
    return figure, axes


def box(
    axes: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    lines: list[str],
    colour: str,
) -> FancyBboxPatch:
    """Draw a box with lines of text, the first of several in bold."""
    style = "round,pad=0,rounding_size=0.8"
    patch = FancyBboxPatch(corner, *size, boxstyle=style, fc=f"{colour}22", ec=colour, lw=1)
    axes.add_patch(patch)
    middle, top = corner[0] + size[0] / 2, corner[1] + size[1]
    for number, line in enumerate(lines):
        y = top - (number + 0.5) * size[1] / len(lines)
        weight = "bold" if number == 0 and len(lines) > 1 else "normal"
        axes.text(middle, y, line, ha="center", va="center", fontsize=7, weight=weight)
    return patch


def arrow(axes: Axes, left: FancyBboxPatch, right: FancyBboxPatch) -> None:
    """Draw an arrow from the right edge of one box to the left edge of another."""
    start = (left.get_x() + left.get_width(), left.get_y() + left.get_height() / 2)
    axes.annotate(
        "", (right.get_x(), right.get_y() + right.get_height() / 2), start, arrowprops=LINE
    )
