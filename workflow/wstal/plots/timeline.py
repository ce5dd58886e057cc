"""One video over time: ground truth, proposals, class activation and attention."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wstal.localize.scores import Scores, VideoScores
from wstal.plots.style import AUDIO, FLOW, FUSED, GROUND_TRUTH, RGB

MAX_CLASSES = 3
STREAM_COLOURS = {"rgb": RGB, "rgb+flow": RGB, "flow": FLOW, "audio": AUDIO}


def plot_timeline(
    video: str, scores: Scores, truth: pd.DataFrame, detections: pd.DataFrame, title: str = ""
) -> Figure:
    """Draw one video.

    `truth` and `detections` are frames video_id, t_start, t_end, label (and score), seconds.
    Shown are the classes of the ground truth, then those of the best detections, three at most.
    """
    own = scores.videos[video]
    truth = truth[truth["video_id"] == video]
    detections = detections[detections["video_id"] == video].sort_values("score")
    found = detections["label"][::-1]
    classes = list(dict.fromkeys([*truth["label"], *found]))[:MAX_CLASSES]
    times = scores.t0 + scores.step * (np.arange(len(own.attention)) + 0.5)
    height = 1.4 + 1.3 * max(len(classes), 1)
    figure, axes = plt.subplots(
        len(classes) + 1, 1, sharex=True, figsize=(9, height), squeeze=False, layout="constrained"
    )
    for axis, label in zip(axes[:-1, 0], classes, strict=True):
        _draw_class(axis, label, own, scores, times, truth, detections)
    _draw_attention(axes[-1, 0], own, times)
    axes[-1, 0].set_xlabel("time (s)")
    axes[-1, 0].set_xlim(scores.t0, scores.t0 + scores.step * len(own.attention))
    figure.suptitle(" · ".join(part for part in (video, title) if part))
    return figure


def _draw_class(
    axis: Axes,
    label: str,
    own: VideoScores,
    scores: Scores,
    times: np.ndarray,
    truth: pd.DataFrame,
    detections: pd.DataFrame,
) -> None:
    sequence = own.cas[:, scores.classes.index(label)].astype(float)
    low, high = sequence.min(), sequence.max()
    axis.plot(times, (sequence - low) / max(high - low, 1e-9), color=FUSED, linewidth=1)
    for row in truth[truth["label"] == label].itertuples():
        axis.axvspan(row.t_start, row.t_end, ymin=0.9, color=GROUND_TRUTH, linewidth=0)
    ours = detections[detections["label"] == label]
    best = ours["score"].max() if len(ours) else 1.0
    floor = min(ours["score"].min(), 0.0) if len(ours) else 0.0
    for row in ours.itertuples():
        strength = (row.score - floor) / max(best - floor, 1e-9)
        axis.axvspan(
            row.t_start, row.t_end, ymax=0.12, color=RGB, alpha=0.05 + 0.6 * strength, linewidth=0
        )
    axis.set_ylim(-0.15, 1.15)
    axis.set_yticks([])
    axis.set_ylabel(f"{label}\n(P = {own.video_score[scores.classes.index(label)]:.2f})")


def _draw_attention(axis: Axes, own: VideoScores, times: np.ndarray) -> None:
    axis.fill_between(times, own.attention, color=FUSED, alpha=0.3, linewidth=0, label="fused")
    for name, values in own.attentions.items():
        axis.plot(times, values, color=STREAM_COLOURS.get(name), linewidth=0.8, label=name)
    # UntrimmedNet's attention is a logit; most others are a share.
    every = np.concatenate([own.attention, *own.attentions.values()])
    axis.set_ylim(min(0, every.min()), max(1, every.max()))
    axis.set_ylabel("attention")
    axis.legend(loc="upper right", ncols=4, fontsize=6)
