"""Where a dataset's own files are, and what of them makes its jobs run again.

Rules ask this at every parse, so that nothing is imported here that is slow to import: own labels
are read by `wstal.datasets`, and only for a dataset that has them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wstal.base.contents import sample
from wstal.base.errors import WstalError, printable
from wstal.config.installation import shipped_file

Dataset = Mapping[str, Any]  # a dataset's checked YAML

PUBLISHED = ("thumos14", "activitynet", "ave")  # kinds with label files of their own form
LABEL_SUFFIXES = (".txt", ".npy", ".json", ".h5", ".csv", ".zip")
FACTS = "workflow/reference/datasets"
LABEL_BYTES = 64 << 20  # larger files in the folder are something else


def videos_folder(name: str, dataset: Dataset) -> str:
    """The folder searched: the YAML's, data/{name}/videos, or where the DAG puts videos."""
    placed = f"data/{name}/videos"
    if dataset["videos"] is None and dataset["kind"] in PUBLISHED and Path(placed).is_dir():
        return placed
    return dataset["videos"] or f"results/{name}/videos"


def label_files(name: str, dataset: Dataset) -> list[str]:
    """Return the label files that the user placed; if there are none, the list that a rule fetches.

    The list stands for the files it names, so that what is fetched is known when it is there.
    Raises WstalError if the YAML's `labels:` names a place without any: others in its stead would
    change every number unseen. Said before any job: one that fails takes its outputs with it.
    """
    place = Path(dataset["labels"] or f"data/{name}/annotations")
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    found = [
        str(path)
        for path in files
        if path.suffix.lower() in LABEL_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
        and path.stat().st_size <= LABEL_BYTES
    ]
    if not found and dataset["labels"] is not None:
        raise WstalError(_unlabelled(name, place))
    return found or [f"results/{name}/published/fetched.csv"]


def facts_file(name: str, dataset: Dataset) -> list[str]:
    """The YAML of what is published on a dataset, by its name or its kind; none for own ones."""
    if dataset["kind"] not in PUBLISHED:
        return []
    files = [shipped_file(f"{FACTS}/{stem}.yaml") for stem in (name, dataset["kind"])]
    return [path for path in files if Path(path).is_file()][:1]


def annotation_files(name: str, dataset: Dataset) -> list[str]:
    """The label files a dataset is read from, labels first, segments (if any) second.

    Own ones as JSON are both. Raises WstalError if those of the user's own videos are not there.
    """
    if dataset["kind"] == "demo":
        return [f"results/{name}/videos/labels.csv", f"results/{name}/videos/segments.csv"]
    if dataset["kind"] in PUBLISHED:
        return label_files(name, dataset)
    if dataset["kind"] != "folder":
        return [dataset["labels"]] if dataset["labels"] else []
    folder = videos_folder(name, dataset)
    labels = dataset["labels"] or f"{folder}/labels.csv"
    segments = dataset["segments"] or f"{folder}/segments.csv"
    named = dataset["segments"] is not None
    needed = {"labels": labels} | ({"segments": segments} if named else {})
    for key, path in needed.items():
        if not Path(path).is_file():
            raise WstalError(_absent(name, key, Path(path)))
    if Path(labels).suffix.lower() == ".json":
        if named:
            raise WstalError(
                f"dataset {name}: `segments:` names {segments}, but {labels} holds labels and "
                "segments; remove `segments:`, or name a CSV file under `labels:`"
            )
        return [labels]
    return [labels, segments] if named or Path(segments).is_file() else [labels]


def video_files(name: str, dataset: Dataset) -> list[str]:
    """Of the label files, those that videos and their labels are read from: no own segments."""
    files = annotation_files(name, dataset)
    return files[:1] if dataset["kind"] in ("folder", "demo") else files


def sound_annotation_files(name: str, dataset: Dataset) -> list[str]:
    """The same as `annotation_files`; own ones have been read, and WstalError names a mistake.

    As the input of a job this ends a run before its first one. In the job itself a mistake would
    come too late: a run that keeps going trains meanwhile, and a job that fails takes with it
    what it made before.
    """
    return _read(dataset, annotation_files(name, dataset))


def sound_video_files(name: str, dataset: Dataset) -> list[str]:
    """The same of `video_files`: no own segments are looked at."""
    return _read(dataset, video_files(name, dataset))


def _read(dataset: Dataset, files: list[str]) -> list[str]:
    if dataset["kind"] == "folder":
        _own_labels(*((path, *_stamp(path)) for path in files))
    return files


@cache
def _own_labels(*stamped: tuple[str, int, int]) -> Any:
    """Return the annotations of own label files, read once for each content."""
    from wstal.datasets.folder import read_own_labels  # slow to import

    return read_own_labels(*(path for path, *_ in stamped))[0]


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except OSError:
        return 0, 0  # its reader says what is wrong
    return stat.st_mtime_ns, stat.st_size


def annotated_contents(name: str, dataset: Dataset) -> list[str]:
    """A digest of what annotating reads: the user's label files, and the videos that are there.

    The size of a video stands for it: copies of a project have other times.
    """
    contents = [label_contents(name, dataset)]
    if dataset["kind"] == "folder":
        contents += video_listing(name, dataset, lambda path: str(path.stat().st_size))
    return contents


def own_annotations(name: str, dataset: Dataset) -> Any:
    """Return the annotations of own videos without their segments, for training; read once."""
    return _own_labels(*((path, *_stamp(path)) for path in video_files(name, dataset)))


def own_lists(name: str, dataset: Dataset) -> str:
    """A digest of what own labels give videos.json and training_labels.json; "" for other kinds."""
    if dataset["kind"] != "folder":
        return ""
    from wstal.datasets.annotations import data_digest, training_view, videos_view

    annotations = own_annotations(name, dataset)
    views = (videos_view(annotations), training_view(annotations))
    return data_digest(json.dumps(view.as_json()) for view in views)[:16]


def label_contents(name: str, dataset: Dataset) -> str:
    """A digest of the user's label files: one that is put back with an older date counts too."""
    files = [Path(path) for path in annotation_files(name, dataset)]
    samples = [sample(path) for path in files if path.parts[0] != "results" and path.is_file()]
    return hashlib.sha256("".join(samples).encode()).hexdigest()[:16] if samples else ""


def _absent(name: str, key: str, path: Path) -> str:
    there = sorted(str(other) for other in path.parent.glob("*.csv"))
    columns = {"labels": "video,labels,split", "segments": "video,t_start,t_end,label"}[key]
    kinds = "it, or a JSON in ActivityNet's format," if key == "labels" else "it"
    return (
        f"dataset {name}: {path} is not there. Write it (columns {columns}), or name {kinds} under "
        f"`{key}:` in the dataset's YAML; CSV files in its folder: {', '.join(there) or 'none'}"
    )


def _unlabelled(name: str, place: Path) -> str:
    holds = f"where no label file is ({', '.join(LABEL_SUFFIXES)}; at most {LABEL_BYTES >> 20} MB)"
    return (
        f"dataset {name}: `labels:` names {place}, "
        f"{holds if place.exists() else 'which is not there'}. In the dataset's YAML, or where "
        f"--config says so, correct the path; or leave `labels:` out: then data/{name}/annotations "
        "is read, or where nothing is there either, the public files are downloaded"
    )


def video_listing(name: str, dataset: Dataset, content: Callable[[Path], str]) -> list[str]:
    """A digest per shard of the videos present; empty text where the DAG makes the videos.

    `content` gives a digest of a file.
    """
    if dataset["kind"] in ("demo", "simulated"):
        return [""] * dataset["shards"]
    from wstal.datasets.folder import read_video_names  # slow to import
    from wstal.media.find import shard_listing

    named = None
    if dataset["kind"] == "folder":
        named = read_video_names(annotation_files(name, dataset)[0])
    return shard_listing(videos_folder(name, dataset), dataset["shards"], named, content)


def refusal(name: str, dataset: Mapping[str, Any], recipe: str, imports: bool) -> str:
    """Why features of `recipe` cannot be made for a dataset, and what can be asked for; or "".

    `imports` tells if the recipe takes published features.
    """
    if dataset["source"] == "proposals":
        targets = ", ".join(f"results/{name}/given/{each}/map.csv" for each in dataset["proposals"])
        return (
            f"dataset {name} has proposals only (source: proposals), so nothing can be trained or "
            f"localized on it. What can be asked for: {targets}"
        )
    if dataset["source"] == "features" and not imports:
        return (
            f"dataset {name} has no videos (source: features), and the recipe {recipe} needs "
            f"them. Ask for its own recipe {dataset['recipe']}, or set `source: videos`"
        )
    return ""


def features_folder(name: str, dataset: Mapping[str, Any], recipe: str) -> str:
    """Where published features are: the YAML's folder or data/{name}/features, and in it the
    folder named like the recipe if there is one.
    """
    place = Path(dataset["features"] or f"data/{name}/features")
    return str(place / recipe if (place / recipe).is_dir() else place)


def folder_listing(folder: str | Path, content: Callable[[Path], str] = sample) -> str:
    """A digest of the paths and `content` of all files below `folder`; "" if there are none."""
    digest = hashlib.sha256()
    found = False
    for root, folders, files in os.walk(folder):
        folders.sort()
        for path in sorted(Path(root, name) for name in files if not name.startswith(".")):
            if path.is_file():
                relative = printable(path.relative_to(folder).as_posix())
                digest.update(f"{relative}\0{content(path)}\n".encode())
                found = True
    return digest.hexdigest()[:16] if found else ""


def weights_path(name: str, sources: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The file of named weights: shipped with the project, or fetched; None if there is none."""
    if name not in sources:
        return None
    folder = "workflow/reference/weights" if sources[name].get("shipped") else "results/weights"
    return f"{folder}/{sources[name]['file']}"
