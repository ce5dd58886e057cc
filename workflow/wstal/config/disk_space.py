"""What the flow files of a run will take of the disk, before the run starts.

Flow is nearly all that a run writes: 20 kB per pair of frames at 340x256, 0.25 bytes per pixel
(benchmarks/results/tvl1_cpu.json), where the features of a pair take 1 kB.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Any, NamedTuple

from wstal.base.errors import WstalError
from wstal.config.dataset_files import Dataset, videos_folder

BYTES_PER_PIXEL = 0.25  # of a compressed pair
OTHERS_PER_PAIR = 1200  # bytes: features of each stream, and packed
VIDEO_RATE = 200_000  # bytes per second of a video that is not probed yet, a guess
USUAL_SIZE = (340, 256)


class Need(NamedTuple):
    """Bytes that the videos will take; `is_measured` where their durations are known."""

    bytes: float
    is_measured: bool


def flow_need(
    name: str, dataset: Dataset, recipe: Mapping[str, Any], shards: int, root: Path
) -> Need:
    """Return what `shards` shards of a dataset's flow take, on average over its shards."""
    flow, fps, share = recipe["flow"], recipe["frames"]["fps"], shards / dataset["shards"]
    manifest = root / f"results/{name}/manifest.csv"
    if manifest.is_file():
        with manifest.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if int(row.get("width") or 0)]
        sizes = [(float(row["duration"]), int(row["width"]), int(row["height"])) for row in rows]
    else:
        folder = root / videos_folder(name, dataset)
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        sizes = [(total / VIDEO_RATE, *USUAL_SIZE)]
    side = flow["short_side"] or 0
    pairs = [(s * fps, w * h * ((side / min(w, h)) ** 2 if side else 1)) for s, w, h in sizes]
    bytes = sum(count * (pixels * BYTES_PER_PIXEL + OTHERS_PER_PAIR) for count, pixels in pairs)
    return Need(bytes * share, manifest.is_file())


def check_space(
    flow_shards: Iterable[tuple[str, str]],
    datasets: Mapping[str, Dataset],
    recipes: Mapping[str, Mapping[str, Any]],
    root: Path,
    min_free: float,
) -> list[str]:
    """Return warnings about the flow jobs (dataset, recipe) of a run that the disk may not hold.

    `min_free` (bytes) stays free. Raises WstalError where the durations of the videos are known.
    """
    free, warnings = disk_usage(root).free - min_free, []
    for (dataset, recipe), shards in Counter(flow_shards).items():
        need = flow_need(dataset, datasets[dataset], recipes[recipe], shards, root)
        if need.bytes > free:
            source = (
                "the durations in its manifest" if need.is_measured else "the size of its files"
            )
            text = (
                f"flow of {dataset}, recipe {recipe}, needs about {need.bytes / 1e9:,.1f} GB, by "
                f"{source}; the disk has {max(free, 0) / 1e9:,.1f} GB above `min_free`. Free "
                "space, or set `cache_flow: false` in the recipe, which keeps no flow files"
            )
            if need.is_measured:
                raise WstalError(text)
            warnings.append(text)
        free -= need.bytes
    return warnings
