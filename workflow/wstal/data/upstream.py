"""What another run says of the same videos, as arrays to train on or to score with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from wstal.errors import WstalError
from wstal.localize.scores import Scores

SNIPPET, VIDEO = ("cas", "attention"), "video_score"


def joined(parts: Iterable[Scores]) -> Scores | None:
    """The scores of several files as one, None if there is none.

    Raises WstalError if a video stands in two of them.
    """
    parts = list(parts)
    videos: dict = {}
    for part in parts:
        if part.classes != parts[0].classes:
            raise WstalError(
                f"two files of upstream scores have different classes ({part.classes} and "
                f"{parts[0].classes}); score the upstream run anew"
            )
        if twice := sorted(set(videos) & set(part.videos)):
            raise WstalError(f"two files of upstream scores hold the video {twice[0]}; give one")
        videos |= part.videos
    return None if not parts else Scores(**{**vars(parts[0]), "videos": videos})


def snippet_arrays(scores: Scores | None, counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Arrays over time, the videos of `counts` (id: snippets) one after the other: `[N, ...]`.

    They are those whose names start with `cas` or `attention`. Raises WstalError naming a video
    that `scores` lacks or that has another number of snippets.
    """
    if scores is None:
        return {}
    for video, count in counts.items():
        if video not in scores.videos:
            raise WstalError(
                f"the upstream run has no scores of video {video}; score it on the same features"
            )
        if (found := len(scores.videos[video].cas)) != count:
            raise WstalError(
                f"video {video} has {count} snippets, its upstream scores {found}; "
                "score the upstream run on the same features"
            )
    return _stacked(scores, counts, SNIPPET, np.concatenate)


def video_arrays(scores: Scores | None, ids: Iterable[str]) -> dict[str, np.ndarray]:
    """Arrays per video `[V, ...]`, those whose names start with `video_score`."""
    return {} if scores is None else _stacked(scores, ids, VIDEO, np.stack)


def of_video(scores: Scores, video: str, count: int) -> dict[str, np.ndarray]:
    """Both kinds of arrays for one video of `count` snippets, with a batch axis: `[1, ...]`."""
    over_time = snippet_arrays(scores, {video: count})
    return {n: a[None] for n, a in over_time.items()} | video_arrays(scores, [video])


def _stacked(scores: Scores, ids: Iterable[str], prefix, join) -> dict[str, np.ndarray]:
    arrays = [scores.videos[video].arrays() for video in ids]
    names = [name for name in arrays[0] if name.startswith(prefix)] if arrays else []
    return {name: join([of[name] for of in arrays]).astype(np.float32) for name in names}
