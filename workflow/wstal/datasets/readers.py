"""Which reader turns a dataset's label files into annotations, and which choices it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets import activitynet, ave, thumos14
from wstal.datasets.activitynet import read_activitynet
from wstal.datasets.annotations import Annotations
from wstal.datasets.ave import read_ave
from wstal.datasets.fetching import how_to_get
from wstal.datasets.folder import find_doubtful_labels, read_own_labels
from wstal.datasets.published_sets import FilesMissing, expand_fetched, hash_files
from wstal.datasets.report import Report, settle_choices
from wstal.datasets.thumos14 import read_thumos14

CHOICES = {
    "thumos14": thumos14.CHOICES,
    "activitynet": activitynet.CHOICES,
    "ave": ave.CHOICES,
}


def label_choices(kind: str, choices: Mapping[str, str]) -> dict[str, str]:
    """Return the `choices` that videos and labels depend on: without those about segments alone."""
    times = {choice.name for choice in CHOICES.get(kind, ()) if choice.times}
    return {name: value for name, value in choices.items() if name not in times}


def check_choices(kind: str, choices: Mapping[str, str]) -> None:
    """Raise WstalError for a choice that a kind does not have, or a value it does not take."""
    if choices and kind not in CHOICES:
        raise WstalError(f"choices: kind {kind} has none to make")
    settle_choices(CHOICES.get(kind, ()), choices)


def read_dataset(
    dataset: str,
    settings: Mapping[str, Any],
    files: Sequence[Path],
    facts: Mapping[str, Any] | None = None,
) -> tuple[Annotations, Report]:
    """Read a dataset's annotations, and the report on them, with the reader of its `kind`.

    `settings` is the dataset's YAML (kind, labels, videos, choices), `facts` what is published
    about it (workflow/reference/datasets). Raises WstalError for files that cannot be used; if
    there are none, the message is a page on what to fetch.
    """
    files = expand_fetched(files)
    choices, facts = settings.get("choices") or {}, facts or {}
    check_choices(settings["kind"], choices)
    try:
        match settings["kind"]:
            case "folder" | "demo":
                annotations, notes = read_own_labels(*files)
                notes += find_doubtful_labels(annotations)
                return annotations, Report("own label files", hash_files(files), notes=notes)
            case "thumos14":
                return read_thumos14(files, choices, {"classes": [], **facts})
            case "activitynet":
                return read_activitynet(files, choices, facts)
            case "ave":
                return read_ave(files, choices, facts)
            case other:
                raise WstalError(f"kind {other} has no label files to read")
    except FilesMissing as error:
        page = how_to_get(dataset, settings.get("labels"), settings.get("videos"))
        raise WstalError(f"{page}\n\nNot read yet: {error}.") from error
