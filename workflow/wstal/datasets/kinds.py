"""The kinds of datasets: what a dataset's YAML may say, its reader, and the choices it has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, MinLen

from wstal.base.errors import WstalError
from wstal.base.settings import SettingsError, refuse_repeated
from wstal.datasets import activitynet, ave, thumos14
from wstal.datasets.activitynet import read_activitynet
from wstal.datasets.annotations import Annotations
from wstal.datasets.ave import read_ave
from wstal.datasets.fetching import how_to_get
from wstal.datasets.folder import read_own_labels
from wstal.datasets.label_check import find_doubtful_labels
from wstal.datasets.published_sets import FilesMissing, expand_fetched, hash_files
from wstal.datasets.report import Report, settle_choices
from wstal.datasets.thumos14 import read_thumos14

Kind = Literal["folder", "thumos14", "activitynet", "ave", "demo", "simulated"]
Place = Annotated[str, MinLen(1)]
_PROPOSALS_NAME = re.compile(r"[a-z][a-z0-9_-]*\Z")
_WILDCARD = re.compile(r"\{\s*\w+\s*[,}]")  # Snakemake's, wherever a path has it


@dataclass(frozen=True)
class DatasetSettings:
    """A dataset: its files, and the recipe, protocol and seeds it is used with by default."""

    kind: Kind  # how its annotations are read
    title: str = ""  # name in tables and reports
    note: str = ""  # stands beside every number, for example: demo data
    # Folder that is searched for videos, with all folders in it. By default data/{dataset}/videos
    # if that exists, else results/{dataset}/videos.
    videos: Place | None = None
    # Label file, or the folder with all of them; by default data/{dataset}/annotations. Kind
    # folder: a CSV with video,labels,split (by default labels.csv among the videos), or a JSON in
    # ActivityNet's format, which has the segments too.
    labels: Place | None = None
    # Kind folder: a CSV with video,t_start,t_end,label for evaluation; by default segments.csv
    # among the videos, if that exists.
    segments: Place | None = None
    # How known traps of the dataset are treated; results/{dataset}/annotations_report.md lists
    # them with their counts.
    choices: Mapping[str, str] = field(default_factory=dict)
    # What there is of the dataset. features: published ones, which a recipe with `import` takes;
    # proposals: those named below, to be scored.
    source: Literal["videos", "features", "proposals"] = "videos"
    # Folder of published features (by default data/{dataset}/features), or of folders named like
    # the recipes that import them.
    features: Place | None = None
    # Detections of other tools to score: a name and its JSON file in ActivityNet's format.
    proposals: Mapping[str, Place] = field(default_factory=dict)
    # Checkpoints of a paper's own code, one a seed from 0 on, by the run that they become:
    # the variant `imported` of the method.
    checkpoints: Mapping[str, Annotated[tuple[Place, ...], MinLen(1)]] = field(default_factory=dict)
    # Jobs per video stage; the hash of a video's id says which job it belongs to. Keep it fixed.
    shards: Annotated[int, Ge(1)] = 4
    # Dataset whose settings in the methods' YAMLs (`datasets:` there) runs take. null: those of its
    # own name, or, of kinds thumos14, activitynet and ave, those of the one dataset of its kind;
    # otherwise each method's own values, made for its paper's main dataset.
    settings: str | None = None
    # Kind folder: the share of a video that you expect to be action, above 0 and at most 1; the
    # section `fit` of a method's YAML says which settings follow from it. null: the method's own.
    action_share: float | None = None
    recipe: str = "i3d_tvl1"  # default feature recipe
    protocol: str = "folder"  # default protocol
    # Training seeds; every number is their mean and standard deviation.
    seeds: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = (0, 1, 2)
    # Segments with mAP, or one label per second with accuracy.
    task: Literal["detection", "events"] = "detection"
    # How many videos may be without features before packing fails with their list. null: any
    # number, each listed in missing.csv and counted in the coverage.
    max_missing: Annotated[int, Ge(0)] | None = None
    # Kind demo: settings of the renderer, frozen by a test.
    render: Mapping[str, Any] = field(default_factory=dict)
    # Kind simulated: settings of the feature simulator (SimulateSettings), frozen by a test.
    simulate: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_repeated("seeds", self.seeds)
        self._check_action_share()
        places = {key: getattr(self, key) for key in ("videos", "labels", "segments", "features")}
        places |= {f"proposals.{name}": path for name, path in self.proposals.items()}
        places |= {
            f"checkpoints.{run}": path for run, paths in self.checkpoints.items() for path in paths
        }
        for key, place in places.items():
            if place and (found := _WILDCARD.search(place)):
                raise SettingsError(
                    f"{key}: {place!r} contains {found[0]!r}, which Snakemake reads as a wildcard; "
                    "rename the folder or file"
                )
        for name in self.proposals:
            if not _PROPOSALS_NAME.match(str(name)):
                raise SettingsError(
                    f"proposals: {name!r} cannot name proposals; use lower-case letters, digits, "
                    "_ and -, a letter first"
                )

    def _check_action_share(self) -> None:
        share = self.action_share
        if share is None:
            return
        if not 0 < share <= 1:
            raise SettingsError(
                f"action_share: {share:g} is no share of a video; write a number above 0 and at "
                "most 1 (0.3: three tenths of a video are action), or leave it out"
            )
        if self.kind != "folder":
            raise SettingsError(
                f"action_share: {share:g}, but kind {self.kind} does not read it; remove it"
            )
        if self.settings:
            raise SettingsError(
                f"action_share: {share:g} belongs to a schedule of the dataset's own, and it takes "
                f"the settings of {self.settings} instead; remove one of the two"
            )


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
