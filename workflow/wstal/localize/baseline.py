"""The same localization without what the model learned about time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wstal.localize.scores import Scores


def constant_attention(scores: Scores) -> Scores:
    """Scores with one attention at every snippet: what classification alone would find.

    It is 1, for attentions that are no shares but unbounded the highest of all videos: one that
    passes any threshold.
    """
    top = max([1.0, *(float(v.attention.max()) for v in scores.videos.values())])
    videos = {
        video: replace(
            v,
            attention=np.full_like(v.attention, top),
            attentions={name: np.full_like(a, top) for name, a in v.attentions.items()},
        )
        for video, v in scores.videos.items()
    }
    return replace(scores, videos=videos)
