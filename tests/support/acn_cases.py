"""Batches, upstream scores and an independent reading of ACN for its tests."""

from __future__ import annotations

import numpy as np
import torch
from method_configs import method_config
from small_set import write_small_set
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores, VideoScores
from wstal.methods.contract import Batch

CUT = {
    "model": {"width": 4, "anchors": [1, 2, 4]},
    "train": {"epochs": 2, "log_interval": 1},
}


def acn_config(project, variant="rgb", dataset="thumos14"):
    """The plain config of a trained ACN run on narrow features."""
    return method_config(project, f"acn-{variant}", dataset, changes=CUT)


def random_batch(lengths=(12, 9), dim=5, classes=3, seed=0):
    """A padded batch with upstream scores, float64."""
    g = torch.Generator().manual_seed(seed)
    count, longest = len(lengths), max(lengths)

    def draw(*shape):
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    labels = torch.zeros(count, classes, dtype=torch.float64)
    labels[torch.arange(count), torch.arange(count) % classes] = 1
    labels[0, -1] = 1
    upstream = {
        "cas_rgb": (4 * draw(count, longest, classes)).softmax(-1) * mask[..., None],
        "attention_rgb": draw(count, longest) * mask,
        "video_score_rgb": 0.2 + draw(count, classes),
    }
    features = draw(count, longest, dim) * mask[..., None]
    return Batch(features, labels, 0, None if mask.all() else mask, upstream)


def video_of(batch, index):
    """One video of a batch without its padding."""
    length = batch.features.shape[1] if batch.mask is None else int(batch.mask[index].sum())
    one = slice(index, index + 1)
    upstream = {
        name: value[one] if name.startswith("video_score") else value[one, :length]
        for name, value in batch.upstream.items()
    }
    return Batch(batch.features[one, :length], batch.labels[one], 0, None, upstream)


def small_acn_set(folder, **options):
    """Features, annotations and upstream scores of every video of a small set."""
    path, annotations = write_small_set(folder, **options)
    features = FeatureFile(path)
    rng = np.random.default_rng(1)
    count = len(annotations.classes)
    videos = {}
    for video in annotations.database:
        length = len(features.read(video, ["rgb"]))
        extra = {}
        for stream in ("rgb", "flow"):
            extra[f"cas_{stream}"] = rng.dirichlet(np.full(count, 0.5), length).astype(np.float32)
            extra[f"video_score_{stream}"] = rng.dirichlet(np.ones(count)).astype(np.float32)
        attentions = {s: rng.normal(size=length).astype(np.float32) for s in ("rgb", "flow")}
        cas = np.pad((extra["cas_rgb"] + extra["cas_flow"]) / 2, ((0, 0), (0, 1)))
        mean = (attentions["rgb"] + attentions["flow"]) / 2
        score = (extra["video_score_rgb"] + extra["video_score_flow"]) / 2
        videos[video] = VideoScores(cas, mean, score, attentions, extra)
    return features, annotations, Scores(annotations.classes, videos, "probability")


def proposals_by_hand(features, scores, shifts, anchors, alpha):
    """(start, end, L_OIC, L_c, L) of every proposal of one video, class scores `[T]`; by loops."""
    count = len(features)

    def overlap(a, b, t):  # of the inclusive range a..b with snippet t
        return max(0.0, min(b + 1, t + 1) - max(a, t))

    def total(x, a, b):
        return sum(overlap(a, b, t) * x[t] for t in range(count))

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    found = []
    for row, anchor in enumerate(anchors):
        for i in range(count - anchor):
            start, end = i + shifts[row, i, 0], i + anchor + shifts[row, i + anchor, 1]
            margin = max(anchor / 4, 1)
            outer = (start - margin, end + margin)
            sides = [total(features, outer[0], start)] if start >= 1 else []
            sides += [total(features, end, outer[1])] if end <= count - 2 else []
            action = total(features, start, end)
            coherence = np.mean([cosine(action, side) for side in sides]) if sides else 1.0
            a, b = max(start, -1), min(end, count)
            wide = max(outer[0], -2), min(outer[1], count + 1)
            inner = total(scores, a, b)
            around = total(scores, *wide) - inner
            width = b - a + 1
            contrast = around / (wide[1] - wide[0] + 1 - width) - inner / width
            value = alpha * contrast + (1 - alpha) * (coherence - 1)
            found.append((start, end, contrast, coherence, value))
    return found


def kept_by_hand(found, passed):
    """Indices of the best proposal over each passed location, by loops."""
    kept = set()
    for t in np.flatnonzero(passed):
        over = [n for n, (start, end, *_) in enumerate(found) if start - 0.5 <= t <= end + 0.5]
        kept |= {min(over, key=lambda n: found[n][-1])} if over else set()
    return sorted(kept)
