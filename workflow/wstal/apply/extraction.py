"""A video file through the stages of the DAG to its feature rows, as a shard of its own.

`prepare` loads the networks of a recipe's streams with their weights, where the DAG keeps them;
an `Extraction` then takes any number of videos through the stages. `extract_folder` writes the
features of many files to one folder, `write_arrays` as plain arrays.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch

from wstal.base.array_store import (
    BROKEN,
    MISSING,
    Within,
    read_shard,
    safe_name,
    unseen,
    write_shard,
)
from wstal.base.errors import MediaError, WstalError
from wstal.base.files import atomic_path, write_csv
from wstal.base.stage import Job, LoadedNetwork, Track
from wstal.config.dataset_files import weights_path
from wstal.config.stages import (
    is_untrained,
    load_stage,
    recipe_digest,
    recipe_grid,
    stage_code,
    stage_settings,
    stages_before,
)
from wstal.datasets.folder import VIDEO_SUFFIXES
from wstal.features.pack import COVERAGE, FeatureFile, Stream, grid_attrs, pack
from wstal.media.find import Found, spelling, videos_below
from wstal.media.probe import COLUMNS, probe_found
from wstal.networks.weights import WeightFile, read_sources

SPLIT = "test"  # of the new videos in their feature files
Sources = Mapping[str, WeightFile]


@dataclass(frozen=True)
class Extraction:
    """The stages that make some streams of a recipe, ready for any number of videos.

    What a stage makes of a video is kept in `folder` under its key and reused, except for flow,
    which is large: it is streamed unless `keep_flow`. `networks` and `codes` (digests) are by
    stage; `tracks` and `withins` give the progress of a stage by its name; `threads` are those
    of flow on the CPU.
    """

    name: str
    recipe: Mapping[str, Any]
    streams: list[str]
    networks: Mapping[str, LoadedNetwork]
    codes: Mapping[str, str]
    folder: Path
    device: torch.device
    keep_flow: bool = False
    threads: int | None = None
    tracks: Callable[[str], Track] = field(default=lambda stage: iter)
    withins: Callable[[str], Within] = field(default=lambda stage: unseen)

    def probe(self, video: str, path: Path) -> dict[str, Any]:
        """Return the row of a video in a manifest, whatever its state."""
        absent = f"{path} is a folder, name the files in it" if path.is_dir() else f"no file {path}"
        found = (
            Found(video, path)
            if path.exists() and not path.is_dir()
            else Found(video, None, absent)
        )
        return probe_found(found, self.folder / "probe", self.codes["probe"]) | {"split": SPLIT}

    def extract(self, row: Mapping[str, Any], output: Path) -> None:
        """Write the feature file `output` of the video of a manifest row.

        Raises MediaError, with the reason, for a video without features.
        """
        coverage = self.pack([row], self.make_streams(row), output)
        if not coverage[0]["rows"]:
            raise MediaError("{status}: {reason}".format(**coverage[0]))

    def pack(
        self, rows: Iterable[Mapping[str, Any]], streams: list[Stream], output: Path
    ) -> list[dict[str, Any]]:
        """Write the feature file of manifest rows whose streams are made; return their coverage."""
        recipe = {**self.recipe, "streams": {s: self.recipe["streams"][s] for s in self.streams}}
        grid = recipe_grid(recipe)
        attrs = grid_attrs(
            "new_videos",
            self.name,
            grid,
            recipe_digest(self.recipe),
            untrained=is_untrained(self.recipe),
            accepted={},
        )
        return pack(output, rows, streams, attrs=attrs, grid=grid, dtype=self.recipe["dtype"])

    def make_streams(self, row: Mapping[str, Any]) -> list[Stream]:
        """Make what is missing of the streams of the video of a manifest row.

        Raises MediaError, with the reason, for a video that cannot be read.
        """
        if row["status"] in (MISSING, BROKEN):
            raise MediaError(f"{row['status']}: {row['reason']}")
        probe = self.folder / "probe" / f"{safe_name(row['id'])}.csv"
        write_csv(probe, COLUMNS, [{name: row[name] for name in COLUMNS}])
        manifests, streams = {"probe": probe}, []
        for name in self.streams:
            stage = self.recipe["streams"][name]
            records = read_shard(self._run(stage, manifests))
            streams.append(Stream(name, self.folder / stage, {each.id: each for each in records}))
        return streams

    def _run(self, name: str, manifests: dict[str, Path]) -> Path:
        """Run a stage, after the stages that it reads, and return its manifest.

        `manifests` are those of the stages that have run on the video; they are added to.
        """
        if name in manifests:
            return manifests[name]
        stage, shards, streamed = load_stage(name, self.recipe), {}, {}
        for before in stage.inputs:
            if before not in manifests and self._is_streamed(before):
                settings = stage_settings(before, self.recipe)
                streamed[before] = load_stage(before, self.recipe).streamed(
                    settings, self._job(before)
                )
            else:
                shards[before] = self._run(before, manifests)
        job = self._job(
            name,
            network=self.networks.get(name),
            streamed=streamed,
            track=self.tracks(name),
            within=self.withins(name),
        )
        records = stage.shard(shards, stage_settings(name, self.recipe), job)
        manifests[name] = self.folder / name / f"{safe_name(records[0].id)}.csv"
        write_shard(manifests[name], records)
        return manifests[name]

    def _is_streamed(self, stage: str) -> bool:
        return load_stage(stage, self.recipe).streamable and not self.keep_flow

    def _job(self, stage: str, **options: Any) -> Job:
        common = {"device": str(self.device), "threads": self.threads}
        return Job(self.codes[stage], self.folder / stage, **common, **options)


def prepare(
    name: str,
    recipe: Mapping[str, Any],
    streams: list[str],
    root: Path,
    cache: Path,
    device: torch.device,
    *,
    places: Iterable[Path] = (),
    accepted: Mapping[str, str] | None = None,
    **options: Any,
) -> Extraction:
    """Return what makes `streams` of the recipe called `name`, as the DAG of the checkout `root`.

    Weights are looked for in `places`, then in `root`; `accepted` are code digests declared equal
    to older ones. `cache` keeps what the stages make; `options` are those of `Extraction`. Raises
    WstalError for missing weights, saying how to get them.
    """
    sources = read_sources(root / "workflow/reference/weights/sources.yaml")
    if recipe.get("grid") and recipe["grid"] not in streams:
        streams = [*streams, recipe["grid"]]  # its rows are those of the feature file
    networks = load_networks(recipe, streams, sources, [*places, root])
    codes = {
        stage: stage_code(stage, root, accepted or {}, recipe=recipe)
        for stage in stages_before(networks, recipe)
    }
    return Extraction(name, recipe, streams, networks, codes, cache / name, device, **options)


def load_networks(
    recipe: Mapping[str, Any], streams: Iterable[str], sources: Sources, folders: Iterable[Path]
) -> dict[str, LoadedNetwork]:
    """Load the network of each stage that makes one of `streams`.

    `folders` are searched for `workflow/reference/weights` and `results/weights`, in order.
    Raises WstalError for weights that are missing, saying how to get them, or not the published
    ones.
    """
    folders, networks = list(folders), {}
    for name in dict.fromkeys(recipe["streams"][stream] for stream in streams):
        stage, settings = load_stage(name, recipe), stage_settings(name, recipe)
        named = stage.weights(settings)
        files = {key: _weights_file(each, sources, folders) for key, each in named.items()}
        networks[name] = stage.load(settings, files, sources)
    return networks


def _weights_file(name: str, sources: Sources, folders: list[Path]) -> str:
    """Return the file of named weights in the first folder that has it; else `name` is a path."""
    path = weights_path(name, {key: vars(source) for key, source in sources.items()}) or name
    places = [folder / path for folder in folders]
    found = next((place for place in places if place.exists()), None)
    return str(found or (name if path == name else places[0]))


def provenance(features: FeatureFile) -> dict[str, Any]:
    """Return how each stream of a feature file was made."""
    return json.loads(features.attrs.get("provenance_json", "{}"))


def check_weights(networks: Mapping[str, LoadedNetwork], made: Mapping[str, Mapping]) -> None:
    """Raise WstalError if features were made with other weights than those of `networks`.

    `made` is the provenance of a feature file, of each stream.
    """
    for about in made.values():
        network = networks.get(about.get("stage"))
        known = "weights" in about and "weights" not in about.get("varies", ())
        if network and known and about["weights"] != network.identity:
            raise WstalError(
                f"{network.weights} (sha256 {network.identity[:12]}) is not the file that the "
                f"features of the run were made with ({about['weights'][:12]}); put that file "
                "there, or train the run again"
            )


LAYOUTS = ("streams", "joint", "none")


def extract_folder(
    extraction: Extraction, videos: Mapping[str, Path], folder: Path
) -> list[dict[str, Any]]:
    """Write the features of `videos` (file by id) to `folder`/features.h5.

    The coverage (columns COVERAGE) is returned and written to coverage.csv. A video that fails
    does not stop the others: its coverage has no rows, and the reason. Raises WstalError if no
    video has features.
    """
    rows, streams = [], {}
    for video, path in videos.items():
        rows.append(extraction.probe(video, path))
        try:
            made = extraction.make_streams(rows[-1])
        except (WstalError, OSError) as error:
            if not rows[-1]["reason"]:  # the file is fine, a stage failed on it
                rows[-1].update(status=BROKEN, reason=str(error))
            continue
        for stream in made:
            empty = Stream(stream.name, stream.directory, {})
            streams.setdefault(stream.name, empty).records.update(stream.records)
    if not streams:
        reasons = "; ".join(f"{row['id']}: {row['reason']}" for row in rows)
        raise WstalError(f"no video has features: {reasons}")
    coverage = extraction.pack(rows, list(streams.values()), folder / "features.h5")
    write_csv(folder / "coverage.csv", COVERAGE, coverage)
    return coverage


def write_arrays(features: FeatureFile, folder: Path, layout: str) -> list[Path]:
    """Write each video's features as float32 `.npy` files to `folder`; return their paths.

    `streams`: {id}_{stream}.npy `[T, D]` each; `joint`: {id}.npy, side by side: rgb, flow, then
    other streams, as most published features are.
    """
    first = [name for name in ("rgb", "flow") if name in features.streams]
    order = [*first, *(name for name in features.streams if name not in first)]
    groups = {"streams": {f"_{name}": [name] for name in order}, "joint": {"": order}, "none": {}}
    written = []
    for video in features.ids():
        for suffix, names in groups[layout].items():
            path = folder / f"{safe_name(video)}{suffix}.npy"
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.save(file, features.read(video, names))
            written.append(path)
    return written


def video_ids(paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by id: the name without extension, or the path if two names are the same.

    Names are spelled as in label files; paths that are spelled alike are percent-encoded.
    A folder stands for the videos below it, by their extension; one without any raises
    WstalError. A file given twice counts once.
    """
    files = [file for path in paths for file in (_below(path) if path.is_dir() else [path])]
    unique = list({path.absolute(): path for path in files}.values())
    ids: dict[Path, str] = {}
    for name_of in (
        lambda path: spelling(path.stem),
        lambda path: spelling(path.as_posix()),
        lambda path: quote(path.as_posix(), errors="surrogateescape"),
    ):
        names = {path: name_of(path) for path in unique if path not in ids}
        counts = Counter([*names.values(), *ids.values()])
        ids |= {path: name for path, name in names.items() if counts[name] == 1}
    return {ids[path]: path for path in unique}


def _below(folder: Path) -> list[Path]:
    if not (videos := sorted(videos_below(folder))):
        raise WstalError(
            f"{folder}: there is no video below this folder (extensions "
            f"{', '.join(VIDEO_SUFFIXES)}); name the files themselves: any that decodes is taken"
        )
    return videos
