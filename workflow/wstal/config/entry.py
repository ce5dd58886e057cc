"""Where a dataset enters the DAG: with videos, with published features, or with proposals."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.config.recipes import check_recipe
from wstal.data.readers import check_choices
from wstal.errors import WstalError

Configs = Mapping[str, Mapping[str, Any]]
RENDERED = ("demo", "simulated")  # kinds that make their own data
UNREAD = {  # settings that name a path, by kind: where they are not read, they would be ignored
    "thumos14": ("segments",),
    "activitynet": ("segments",),
    "ave": ("segments",),
    "demo": ("videos", "labels", "segments"),
    "simulated": ("videos", "segments", "features"),
}


def check_entries(datasets: Configs, recipes: Configs) -> None:
    """Raise WstalError for a dataset whose `source` its other keys contradict, or whose kind does
    not read a path or know a choice that it names, or a recipe that lacks what its streams need.
    """
    for name, recipe in recipes.items():
        check_recipe(name, recipe)
    imported = [name for name, recipe in recipes.items() if "import" in recipe]
    for name, dataset in datasets.items():
        source, recipe, kind = dataset["source"], dataset["recipe"], dataset["kind"]
        try:
            check_choices(kind, dataset["choices"] or {})
        except WstalError as error:
            raise WstalError(f"dataset {name}: {error}") from None
        for key in UNREAD.get(kind, ()):
            if dataset[key] is not None:
                raise WstalError(
                    f"dataset {name}: `{key}:` names {dataset[key]}, which kind {kind} does not "
                    f"read; remove `{key}:` (null), or choose the kind that reads it"
                )
        if source != "videos" and kind in RENDERED:
            raise WstalError(f"dataset {name}: kind {kind} makes its own data; remove `source:`")
        if source == "features" and recipe not in imported:
            raise WstalError(
                f"dataset {name}: source is features, but its recipe {recipe} makes them from "
                f"videos; set `recipe:` to one that imports: {', '.join(imported)}"
            )
        if source == "proposals" and not dataset["proposals"]:
            raise WstalError(
                f"dataset {name}: source is proposals; name them: "
                "`proposals: {their_name: /path/to/detections.json}`"
            )


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


def folder_listing(folder: str | Path) -> str:
    """A digest of the paths, sizes and times of all files below `folder`; "" if there are none."""
    digest = hashlib.sha256()
    found = False
    for root, folders, files in os.walk(folder):
        folders.sort()
        for path in sorted(Path(root, name) for name in files if not name.startswith(".")):
            if path.is_file():
                stat = path.stat()
                relative = path.relative_to(folder).as_posix()
                digest.update(f"{relative}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
                found = True
    return digest.hexdigest()[:16] if found else ""
