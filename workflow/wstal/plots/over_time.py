"""Videos over time.

`plot_timeline` draws one video of one run: ground truth, proposals, class activation and
attention. `plot_strips` draws attention or class activation of several runs as strips below the
annotated segments, and predicted segments below each, for videos that `typical_videos` chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wstal.localize.scores import Scores, VideoScores
from wstal.plots.style import AUDIO, FLOW, FUSED, GROUND_TRUTH, RGB

MAX_CLASSES = 3
STREAM_COLOURS = {"rgb": RGB, "rgb+flow": RGB, "flow": FLOW, "audio": AUDIO}
PREFERRED_SHARE = 0.3  # of a video's time annotated: strips then show both action and background


def plot_timeline(
    video: str, scores: Scores, truth: pd.DataFrame, detections: pd.DataFrame, title: str = ""
) -> Figure:
    """Draw one video of one run.

    `truth` and `detections` are frames video_id, t_start, t_end, label (and score), seconds.
    It shows the classes of the ground truth, then those of the best detections, at most three.
    """
    own = scores.videos[video]
    truth = truth[truth["video_id"] == video]
    detections = detections[detections["video_id"] == video].sort_values("score")
    found = detections["label"][::-1]
    classes = list(dict.fromkeys([*truth["label"], *found]))[:MAX_CLASSES]
    step = scores.step_of(video)
    times = scores.t0 + step * (np.arange(len(own.attention)) + 0.5)
    height = 1.4 + 1.3 * max(len(classes), 1)
    figure, axes = plt.subplots(
        len(classes) + 1, 1, sharex=True, figsize=(9, height), squeeze=False, layout="constrained"
    )
    for axis, label in zip(axes[:-1, 0], classes, strict=True):
        _draw_class(axis, label, own, scores, times, truth, detections)
    _draw_attention(axes[-1, 0], own, times)
    axes[-1, 0].set_xlabel("time (s)")
    axes[-1, 0].set_xlim(scores.t0, scores.t0 + step * len(own.attention))
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
    axis.set_ylim(-0.15, 1.15)
    _draw_detections(axis, ours, height=0.12)
    axis.set_yticks([])
    axis.set_ylabel(f"{label}\n(P = {own.video_score[scores.classes.index(label)]:.2f})")


def _draw_detections(axis: Axes, detections: pd.DataFrame, height: float) -> None:
    """Draw spans over the lowest `height` of the axis, the stronger the higher they score."""
    best = detections["score"].max() if len(detections) else 1.0
    floor = min(detections["score"].min(), 0.0) if len(detections) else 0.0
    for row in detections.itertuples():
        strength = 0.05 + 0.6 * (row.score - floor) / max(best - floor, 1e-9)
        axis.axvspan(row.t_start, row.t_end, ymax=height, color=RGB, alpha=strength, linewidth=0)


def _draw_attention(axis: Axes, own: VideoScores, times: np.ndarray) -> None:
    axis.fill_between(times, own.attention, color=FUSED, alpha=0.3, linewidth=0, label="fused")
    for name, values in own.attentions.items():
        axis.plot(times, values, color=STREAM_COLOURS.get(name), linewidth=0.8, label=name)
    # UntrimmedNet's attention is a logit; most others are a share.
    every = np.concatenate([own.attention, *own.attentions.values()])
    axis.set_ylim(min(0, every.min()), max(1, every.max()))
    axis.set_ylabel("attention")
    axis.legend(loc="upper right", ncols=4, fontsize=6)


def typical_videos(
    truth: pd.DataFrame,
    durations: Mapping[str, float],
    count: int = 2,
    classes: Sequence[str] = (),
) -> list[str]:
    """Return the `count` videos whose annotated share of time is nearest to PREFERRED_SHARE.

    `truth` is a frame as in `plot_strips`, `durations` are in seconds. The choice does not depend
    on any model's output. Ties go to the smaller id. With `classes`, those videos of each come
    first in turn, as far as there are any; the others follow.
    """
    lengths = (truth["t_end"] - truth["t_start"]).groupby(truth["video_id"]).sum()
    distance = {
        video: abs(length / durations[video] - PREFERRED_SHARE)
        for video, length in lengths.items()
        if durations.get(video)
    }
    order = sorted(distance, key=lambda video: (distance[video], video))
    first = []
    for label in classes:
        own = set(truth.loc[truth["label"] == label, "video_id"])
        first += [video for video in order if video in own and video not in first][:1]
    return [*first, *(video for video in order if video not in first)][:count]


def plot_strips(
    runs: Mapping[str, Scores],
    truth: pd.DataFrame,
    videos: Sequence[str],
    title: str = "",
    shows: str = "attention",
    *,
    detections: Mapping[str, pd.DataFrame] | None = None,
    remarks: Mapping[str, str] | None = None,
) -> Figure:
    """Draw a block per video: annotated segments on top, below a strip for each run.

    `runs` maps a run's name to its scores; `truth` is a frame video_id, t_start, t_end, label
    in seconds. A strip `shows` the attention (`attention`), the probability of the annotated
    classes (`class`), or their scores times the attention (`attended`). 0 is white, 1 is black.
    With `detections`, a frame like `truth` with `score` for each run, the segments of the
    annotated classes lie below the run's strip. `remarks` are put beside the videos' titles.
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
        end = first.t0 + first.step_of(video) * len(first.videos[video].attention)
        segments = truth[truth["video_id"] == video]
        heading = f"{video}: {', '.join(sorted(set(segments['label'])))}"
        remark = (remarks or {}).get(video)
        _draw_segments(own[0], segments, end, " · ".join(filter(None, (heading, remark))))
        for axis, (name, scores) in zip(own[1:], runs.items(), strict=True):
            labels = None if shows == "attention" else set(segments["label"])
            values = make_strip(scores, video, labels, attended=shows == "attended")
            covered = scores.t0, scores.t0 + scores.step_of(video) * len(values)
            extent = (*covered, 0, 1)
            axis.imshow(values[None], cmap="Greys", vmin=0, vmax=1, aspect="auto", extent=extent)
            axis.set_xlim(0, end)
            if detections is not None:
                known = segments[["video_id", "label"]].drop_duplicates()
                axis.set_ylim(-0.6, 1)
                _draw_detections(axis, detections[name].merge(known), height=0.3)
            _name_axis(axis, name)
        own[-1].set_xticks(np.linspace(0, end, 5), [f"{t:.0f} s" for t in np.linspace(0, end, 5)])
    figure.suptitle(title)
    return figure


def make_strip(
    scores: Scores, video: str, labels: set[str] | None = None, *, attended: bool = False
) -> np.ndarray:
    """Return a video's attention `[T]`, or the summed probability of the classes in `labels`.

    `attended`: the attention times the largest of the classes' scores as they are stored, logits or
    probabilities; below 0 it is 0, and the video's largest value is 1.
    """
    values = scores.videos[video]
    if labels is None:
        return np.asarray(values.attention, dtype=float)
    cas = values.cas.astype(float)
    if attended:
        own = cas[:, [scores.classes.index(label) for label in sorted(labels)]].max(1)
        strip = np.maximum(own * values.attention, 0)
        return strip / max(strip.max(), 1e-9)
    if scores.activation == "logits":
        cas = np.exp(cas - cas.max(1, keepdims=True))
        cas /= cas.sum(1, keepdims=True)
    return cas[:, [scores.classes.index(label) for label in sorted(labels)]].sum(1)


def _draw_segments(axis: Axes, segments: pd.DataFrame, end: float, title: str) -> None:
    for row in segments.itertuples():
        axis.axvspan(row.t_start, row.t_end, color=GROUND_TRUTH, linewidth=0)
    axis.set_xlim(0, end)
    _name_axis(axis, "annotated")
    axis.set_title(title, loc="left", fontsize=7)


def _name_axis(axis: Axes, name: str) -> None:
    axis.set_yticks([])
    axis.set_xticks([])
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
