"""Where a dataset's own files are: labels, videos, weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.data.folder import folder_ids
from wstal.listing import shard_listing

Dataset = Mapping[str, Any]


def videos_folder(name: str, dataset: Dataset) -> str:
    """The folder searched for videos: the YAML's, or the place where the DAG puts them."""
    return dataset["videos"] or f"results/{name}/videos"


def annotation_files(name: str, dataset: Dataset) -> list[str]:
    """The label files a dataset is read from, labels first, segments (if any) second."""
    if dataset["kind"] == "demo":
        return [f"results/{name}/videos/labels.csv", f"results/{name}/videos/segments.csv"]
    if dataset["kind"] != "folder":
        return [dataset["labels"]] if dataset["labels"] else []
    folder = videos_folder(name, dataset)
    labels = dataset["labels"] or f"{folder}/labels.csv"
    segments = dataset["segments"] or f"{folder}/segments.csv"
    named = dataset["segments"] is not None
    return [labels, segments] if named or Path(segments).is_file() else [labels]


def video_listing(name: str, dataset: Dataset) -> list[str]:
    """A digest per shard of the videos present; empty text where the DAG makes the videos."""
    if dataset["kind"] in ("demo", "simulated"):
        return [""] * dataset["shards"]
    ids = None
    if dataset["kind"] == "folder":
        ids = folder_ids(annotation_files(name, dataset)[0])
    return shard_listing(videos_folder(name, dataset), dataset["shards"], ids)


def weights_path(name: str, sources: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The file of named weights: shipped with the project, or fetched; None if there is none."""
    if name not in sources:
        return None
    folder = "workflow/reference/weights" if sources[name].get("shipped") else "results/weights"
    return f"{folder}/{sources[name]['file']}"
