"""Attention over time as strips, one per run, under the annotated segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wstal.localize.scores import Scores
from wstal.plots.style import GROUND_TRUTH

PREFERRED_SHARE = 0.3  # of a video's time annotated: strips then show both action and background


def typical_videos(
    truth: pd.DataFrame, durations: Mapping[str, float], count: int = 2
) -> list[str]:
    """The videos whose annotated share of time is nearest to 0.3, by annotation alone.

    Nothing a model said enters the choice. Ties go to the smaller id.
    """
    lengths = (truth["t_end"] - truth["t_start"]).groupby(truth["video_id"]).sum()
    distance = {
        video: abs(length / durations[video] - PREFERRED_SHARE)
        for video, length in lengths.items()
        if durations.get(video)
    }
    return sorted(distance, key=lambda video: (distance[video], video))[:count]


def plot_strips(
    runs: Mapping[str, Scores], truth: pd.DataFrame, videos: Sequence[str], title: str = ""
) -> Figure:
    """Draw a block per video: annotated segments on top, below the attention of each run.

    `runs` maps a run's name to its scores; `truth` is a frame video_id, t_start, t_end, label
    in seconds. Attention 0 is white, 1 is black.
    """
    rows = len(runs) + 1
    figure, axes = plt.subplots(
        rows * len(videos),
        1,
        figsize=(9, 0.32 * rows * len(videos) + 0.6),
        layout="constrained",
        squeeze=False,
    )
    for block, video in enumerate(videos):
        own = axes[block * rows : (block + 1) * rows, 0]
        first = next(iter(runs.values()))
        end = first.t0 + first.step * len(first.videos[video].attention)
        _annotated(own[0], truth[truth["video_id"] == video], end, video)
        for axis, (name, scores) in zip(own[1:], runs.items(), strict=True):
            attention = np.asarray(scores.videos[video].attention, dtype=float)[None]
            covered = scores.t0, scores.t0 + scores.step * attention.shape[1]
            extent = (*covered, 0, 1)
            axis.imshow(attention, cmap="Greys", vmin=0, vmax=1, aspect="auto", extent=extent)
            axis.set_xlim(0, end)
            _bare(axis, name)
        own[-1].set_xticks(np.linspace(0, end, 5), [f"{t:.0f} s" for t in np.linspace(0, end, 5)])
    figure.suptitle(title)
    return figure


def _annotated(axis: Axes, segments: pd.DataFrame, end: float, video: str) -> None:
    for row in segments.itertuples():
        axis.axvspan(row.t_start, row.t_end, color=GROUND_TRUTH, linewidth=0)
    axis.set_xlim(0, end)
    _bare(axis, "annotated")
    axis.set_title(f"{video}: {', '.join(sorted(set(segments['label'])))}", loc="left", fontsize=7)


def _bare(axis: Axes, name: str) -> None:
    axis.set_yticks([])
    axis.set_xticks([])
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
