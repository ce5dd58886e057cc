"""The same localization without what the model learned about time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wstal.localize.scores import Scores, VideoScores


def constant_attention(scores: Scores) -> Scores:
    """Scores with an attention of 1 at every snippet: what classification alone would find."""
    videos = {
        video: VideoScores(
            v.cas,
            np.ones_like(v.attention),
            v.video_score,
            {name: np.ones_like(a) for name, a in v.attentions.items()},
        )
        for video, v in scores.videos.items()
    }
    return replace(scores, videos=videos)
