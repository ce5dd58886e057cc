"""Attention or class activation over time as strips, one per run, under annotated segments."""

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
    runs: Mapping[str, Scores],
    truth: pd.DataFrame,
    videos: Sequence[str],
    title: str = "",
    shows: str = "attention",
) -> Figure:
    """Draw a block per video: annotated segments on top, below a strip for each run.

    `runs` maps a run's name to its scores; `truth` is a frame video_id, t_start, t_end, label
    in seconds. A strip `shows` the attention, or the probability of the annotated classes
    (class). 0 is white, 1 is black.
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
        segments = truth[truth["video_id"] == video]
        _annotated(own[0], segments, end, video)
        for axis, (name, scores) in zip(own[1:], runs.items(), strict=True):
            values = strip(scores, video, set(segments["label"]) if shows == "class" else None)
            covered = scores.t0, scores.t0 + scores.step * len(values)
            extent = (*covered, 0, 1)
            axis.imshow(values[None], cmap="Greys", vmin=0, vmax=1, aspect="auto", extent=extent)
            axis.set_xlim(0, end)
            _bare(axis, name)
        own[-1].set_xticks(np.linspace(0, end, 5), [f"{t:.0f} s" for t in np.linspace(0, end, 5)])
    figure.suptitle(title)
    return figure


def strip(scores: Scores, video: str, labels: set[str] | None = None) -> np.ndarray:
    """A video's attention `[T]`, or the summed probability of the classes in `labels`."""
    values = scores.videos[video]
    if labels is None:
        return np.asarray(values.attention, dtype=float)
    cas = values.cas.astype(float)
    if scores.activation == "logits":
        cas = np.exp(cas - cas.max(1, keepdims=True))
        cas /= cas.sum(1, keepdims=True)
    return cas[:, [scores.classes.index(label) for label in sorted(labels)]].sum(1)


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
