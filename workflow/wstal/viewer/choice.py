"""Which videos a page of a large dataset shows, by annotation alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from wstal.errors import WstalError


def chosen_videos(labels: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """At most `count` of the videos in `labels` ({id: video-level labels}), in their order.

    Classes take turns, each with the video whose id has the smallest sha1, so that all classes
    are shown and the choice is the same everywhere. Nothing that a model said enters it.
    Raises WstalError if `count` is not positive.
    """
    if count < 1:
        raise WstalError(f"{count} videos are too few for a page; ask for one at least")
    if len(labels) <= count:
        return list(labels)
    drawn = sorted(labels, key=lambda video: hashlib.sha1(video.encode()).hexdigest())
    queues: dict[str, list[str]] = {}
    for video in reversed(drawn):
        for label in labels[video] or [""]:
            queues.setdefault(label, []).append(video)
    chosen: set[str] = set()
    while True:
        for label in sorted(queues):
            while queues[label]:
                if (video := queues[label].pop()) not in chosen:
                    chosen.add(video)
                    break
            if len(chosen) >= count:
                return [video for video in labels if video in chosen]
