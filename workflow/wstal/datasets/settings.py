"""What a dataset's YAML may say (workflow/config/datasets)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, MinLen

from wstal.base.settings import SettingsError, refuse_repeated

Kind = Literal["folder", "thumos14", "activitynet", "ave", "demo", "simulated"]
Place = Annotated[str, MinLen(1)]
_PROPOSALS_NAME = re.compile(r"[a-z][a-z0-9_-]*\Z")


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
    # Jobs per video stage; the hash of a video's id says which job it belongs to. Keep it fixed.
    shards: Annotated[int, Ge(1)] = 4
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
    # Kind simulated: settings of the feature simulator, frozen by a test.
    simulate: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_repeated("seeds", self.seeds)
        for name in self.proposals:
            if not _PROPOSALS_NAME.match(str(name)):
                raise SettingsError(
                    f"proposals: {name!r} cannot name proposals; use lower-case letters, digits, "
                    "_ and -, a letter first"
                )
