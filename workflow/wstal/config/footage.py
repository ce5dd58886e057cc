"""How much video a dataset has, by what is known of it before a run decodes anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wstal.base.errors import WstalError
from wstal.base.files import read_cached, read_table
from wstal.config.dataset_files import Dataset, videos_folder
from wstal.config.missing import listed_videos

OPENED = 60  # files whose length is read; that of the others is taken from their bytes
USED = ("ok", "no_audio", "partial")  # states of a video that has features


@dataclass(frozen=True)
class Footage:
    """Videos and their seconds by split, their typical size, the classes, and what says so.

    A video whose split is not known counts for training and for scoring.
    """

    videos: Mapping[str, int]
    seconds: Mapping[str, float]
    classes: int
    size: tuple[int, int] | None
    source: str

    @property
    def count(self) -> int:
        """All videos."""
        return sum(self.videos.values())

    @property
    def total(self) -> float:
        """Seconds of all videos."""
        return sum(self.seconds.values())

    def of(self, *splits: str) -> tuple[int, float]:
        """Return the videos of these splits, and their seconds."""
        names = (*splits, "")
        count = sum(self.videos.get(name, 0) for name in names)
        return count, sum(self.seconds.get(name, 0.0) for name in names)


def dataset_footage(name: str, dataset: Dataset, root: Path = Path()) -> Footage:
    """Return what is known of a dataset's videos in the work folder `root`.

    From its manifest, if its videos have been probed; else from the plan of those that the project
    makes; else from the headers of the files, at most OPENED of them.
    """
    splits, classes = _labelled(name, dataset, root)
    manifest = root / f"results/{name}/manifest.csv"
    if manifest.is_file():
        rows = read_table(manifest, ("id", "split", "duration", "status"))
        used = [row for row in rows if row["status"] in USED]
        sizes = [(int(row.get("width") or 0), int(row.get("height") or 0)) for row in used]
        lengths = [(row["split"], float(row["duration"] or 0)) for row in used]
        return _footage(lengths, classes, sizes, "manifest.csv")
    if dataset["kind"] == "demo":
        plans = _planned(dataset["render"])
        sizes = [(plan.width, plan.height) for plan in plans]
        lengths = [(plan.split, plan.duration) for plan in plans]
        return _footage(lengths, classes, sizes, "the plan of the rendering")
    if dataset["kind"] == "simulated":
        return Footage({}, {}, classes, None, "no videos: features are simulated")
    return _of_headers(_files(name, dataset, root), splits, classes)


def _planned(render: Mapping[str, Any]) -> list[Any]:
    from wstal.demo.events import plan_events  # slow to import
    from wstal.demo.videos import plan_videos

    return plan_events(render) if render.get("content") == "events" else plan_videos(render)


def _labelled(name: str, dataset: Dataset, root: Path) -> tuple[dict[str, str], int]:
    """Return the split of each video by id, as far as known, and the number of classes."""
    content = read_cached(root / f"results/{name}/annotations.json")
    if content is None and dataset["kind"] == "folder":
        from wstal.config.dataset_files import own_annotations

        content = own_annotations(name, dataset).as_json()
    if content is None:
        return {}, 6 if dataset["kind"] == "demo" else 20
    database = content["database"]
    return {video: about["subset"] for video, about in database.items()}, len(content["classes"])


def _files(name: str, dataset: Dataset, root: Path) -> dict[str, Path]:
    """Return the files of the videos by id, those that are there."""
    from wstal.media.find import find_videos, videos_below

    folder = root / videos_folder(name, dataset)
    listed = listed_videos(name, dataset)
    if listed is None:
        return {path.stem: path for path in videos_below(folder)}
    return {found.id: found.path for found in find_videos(folder, listed, listed) if found.path}


def _of_headers(files: Mapping[str, Path], splits: Mapping[str, str], classes: int) -> Footage:
    names = sorted(files)
    chosen = {names[i] for i in np.linspace(0, len(names) - 1, min(OPENED, len(names)), dtype=int)}
    about = {video: _header(files[video]) for video in chosen}
    sizes = [size for _, size in about.values() if size]
    known = sum(seconds for seconds, _ in about.values())
    bytes_ = {video: files[video].stat().st_size for video in names}
    per_byte = known / max(sum(bytes_[video] for video in chosen), 1)
    lengths = [
        (splits.get(v, ""), about[v][0] if v in about else bytes_[v] * per_byte) for v in names
    ]
    source = "the headers of the files"
    if len(names) > len(chosen):
        source = f"the headers of {len(chosen)} files, and the size of the others"
    return _footage(lengths, classes, sizes, source if names else "no video is there")


def _header(path: Path) -> tuple[float, tuple[int, int] | None]:
    """Return the seconds and the size that a file declares; zeros if it cannot be opened."""
    from wstal.media.decoders.pyav import opened

    try:
        with opened(path) as container:
            streams = container.streams.video
            size = (streams[0].width, streams[0].height) if streams else None
            return (container.duration or 0) / 1e6, size
    except WstalError:
        return 0.0, None


def _footage(
    lengths: Iterable[tuple[str, float]],
    classes: int,
    sizes: Iterable[tuple[int, int]],
    source: str,
) -> Footage:
    videos, seconds = {}, {}
    for split, length in lengths:
        videos[split] = videos.get(split, 0) + 1
        seconds[split] = seconds.get(split, 0.0) + length
    known = sorted((size for size in sizes if all(size)), key=lambda size: size[0] * size[1])
    return Footage(videos, seconds, classes, known[len(known) // 2] if known else None, source)
