"""A video file through the stages of the DAG to its feature rows, a shard of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wstal.base.array_store import Record, Within, safe_name, unseen, write_shard
from wstal.base.errors import MediaError, WstalError
from wstal.config.entry import section_of, weights_path
from wstal.config.stages import SCRIPTS, stage_code
from wstal.features.backbone_stage import backbone_network, backbone_shard
from wstal.features.i3d_stage import i3d_network, i3d_shard, streamed_flow_shard
from wstal.features.pack import FeatureFile, Stream, grid_attrs, pack
from wstal.features.shard import LoadedNetwork
from wstal.features.vggish_stage import vggish_network, vggish_shard
from wstal.flow.stage import flow_shard
from wstal.media.find import Found
from wstal.media.frames import open_frames
from wstal.media.probe import ProbedVideo, probe_found
from wstal.media.stage import decode_audio, decode_frames
from wstal.networks.weights import WeightFile, read_sources

SPLIT = "test"  # of the new videos in their feature files
Track = Callable[[Iterable], Iterable]


@dataclass(frozen=True)
class Extraction:
    """The stages that make some streams of a recipe, ready for any number of videos.

    What each stage makes of a video is kept in `folder` under its key and used again, but for
    the flow, which is large: it is streamed unless `keep_flow`. `networks` and `codes` (digests)
    are by stage; `tracks` and `withins` give the progress of a stage by its name; `threads` are
    those of the flow on the CPU.
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

    def probed(self, video: str, path: Path) -> dict[str, Any]:
        """The row of a video in a manifest, whatever its state."""
        absent = f"{path} is a folder, name the files in it" if path.is_dir() else f"no file {path}"
        found = Found(video, path) if path.is_file() else Found(video, None, absent)
        return probe_found(found, self.folder / "probe", self.codes["probe"]) | {"split": SPLIT}

    def extract(self, row: Mapping[str, Any], output: Path) -> None:
        """Write the feature file `output` of the video of a manifest row.

        Raises MediaError, with the reason, for a video without features.
        """
        coverage = self.pack([row], self.streams_of(row), output)
        if not coverage[0]["rows"]:
            raise MediaError("{status}: {reason}".format(**coverage[0]))

    def pack(
        self, rows: Iterable[Mapping[str, Any]], streams: list[Stream], output: Path
    ) -> list[dict[str, Any]]:
        """Write the feature file of manifest rows whose streams are made; their coverage."""
        attrs = grid_attrs("new_videos", self.name, self.recipe, {})
        return pack(output, rows, streams, attrs=attrs, dtype=self.recipe["dtype"])

    def streams_of(self, row: Mapping[str, Any]) -> list[Stream]:
        """Make what lacks of the streams of the video of a manifest row.

        Raises MediaError, with the reason, for a video that cannot be read.
        """
        video = ProbedVideo(*(row[key] for key in ("id", "path", "sha256", "status", "reason")))
        if not video.usable:
            raise MediaError(f"{video.status}: {video.reason}")
        made = {"frames": self._decoded("frames", decode_frames, video)}
        streams = []
        for name in self.streams:
            stage = self.recipe["streams"][name]
            if stage == "vggish" and "audio" not in made:
                made["audio"] = self._decoded("audio", decode_audio, video)
            records = self._features(stage, made)
            streams.append(Stream(name, self.folder / stage, {each.id: each for each in records}))
        return streams

    def _decoded(self, stage: str, decode: Callable[..., list[Record]], video: ProbedVideo) -> Path:
        folder, part = self.folder / stage, self.recipe[stage]
        records = decode([video], folder, part, self.codes[stage], self.tracks(stage))
        return self._manifest(stage, records)

    def _features(self, stage: str, made: dict[str, Path]) -> list[Record]:
        common = {"directory": self.folder / stage, "track": self.tracks(stage)}
        common |= {"device": self.device, "code": self.codes[stage]}
        if stage == "vggish":
            shards = {name: made[name] for name in ("frames", "audio")}
            return vggish_shard(shards, self.networks[stage], self.recipe[stage], **common)
        common["within"] = self.withins(stage)
        if stage == "i3d_flow":
            return self._flow_features(made, common)
        if stage == "i3d_rgb":
            shards = {"frames": made["frames"]}
            return i3d_shard("rgb", shards, self.networks[stage], self.recipe["i3d"], **common)
        network, section = self.networks[stage], self.recipe[stage]
        return backbone_shard(stage, made["frames"], network, section, **common)

    def _flow_features(self, made: dict[str, Path], common: dict[str, Any]) -> list[Record]:
        network, i3d, flow = self.networks["i3d_flow"], self.recipe["i3d"], self.recipe["flow"]
        if not self.keep_flow:
            code = {"flow_code": self.codes["flow"], "threads": self.threads}
            return streamed_flow_shard(made["frames"], network, i3d, flow, **code, **common)
        size = {name: flow[name] for name in ("short_side", "interpolation")}
        records = flow_shard(
            made["frames"],
            flow,
            code=self.codes["flow"],
            directory=self.folder / "flow",
            open_gray=partial(open_frames, pixels="gray", **size),
            device=str(self.device),
            threads=self.threads,
            track=self.tracks("flow"),
            within=self.withins("flow"),
        )
        shards = {"frames": made["frames"], "flow": self._manifest("flow", records)}
        return i3d_shard("flow", shards, network, i3d, **common)

    def _manifest(self, stage: str, records: list[Record]) -> Path:
        path = self.folder / stage / f"{safe_name(records[0].id)}.csv"
        write_shard(path, records)
        return path


# FOLDED The networks of a recipe's streams with their weights, where the DAG has them.

Sources = Mapping[str, WeightFile]


def recipe_networks(
    recipe: Mapping[str, Any],
    streams: Iterable[str],
    sources: Sources,
    folders: Iterable[Path],
) -> dict[str, LoadedNetwork]:
    """The network of each stage that makes one of `streams`.

    `folders` are searched for `workflow/reference/weights` and `results/weights`, in order.
    Raises WstalError for weights that are absent, saying how to get them, or not the published
    ones.
    """
    folders = list(folders)
    stages = [recipe["streams"][stream] for stream in streams]
    return {stage: _network(stage, recipe[section_of(stage)], sources, folders) for stage in stages}


def check_weights(networks: Mapping[str, LoadedNetwork], made: Mapping[str, Mapping]) -> None:
    """Raise WstalError if features were made with other weights than the networks have.

    `made` is the provenance of a feature file, of each stream.
    """
    for about in made.values():
        network = networks.get(about.get("stage"))
        known = "weights" in about and "weights" not in about.get("varies", ())
        if network and known and about["weights"] != network.identity:
            raise WstalError(
                f"{network.weights} (sha256 {network.identity[:12]}) is not what the features of "
                f"the run were made with ({about['weights'][:12]}); put that file there, or train "
                "the run again"
            )


def provenance(features: FeatureFile) -> dict[str, Any]:
    """How each stream of a feature file was made."""
    return json.loads(features.attrs.get("provenance_json", "{}"))


def _network(
    stage: str, section: Mapping[str, Any], sources: Sources, folders: list[Path]
) -> LoadedNetwork:
    if stage == "vggish":
        pca = None if section["postprocess"] == "none" else _file(section["pca"], sources, folders)
        weights = _file(section["weights"], sources, folders)
        return vggish_network(weights, section, sources, pca)
    if stage in ("i3d_rgb", "i3d_flow"):
        stream = stage.removeprefix("i3d_")
        weights = _file(section["weights"][stream], sources, folders)
        return i3d_network(weights, stream, section["width"], sources)
    return backbone_network(stage, _file(section["weights"], sources, folders), sources)


def _file(name: str, sources: Sources, folders: list[Path]) -> str:
    """The file of named weights in the first folder that has it; another name is one itself."""
    found = weights_path(name, {key: vars(source) for key, source in sources.items()})
    if found is None:
        return name
    places = [folder / found for folder in folders]
    return str(next((place for place in places if place.exists()), places[0]))


# FOLDED The stages of a recipe made ready for new video files.


def prepared(
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
    """What makes `streams` of the recipe called `name`, as the DAG of the checkout `root` does.

    Weights are looked for in `places`, then in `root`; `accepted` are code digests declared equal
    to older ones. `cache` keeps what the stages make; `options` are those of `Extraction`. Raises
    WstalError for weights that are absent, saying how to get them.
    """
    sources = read_sources(root / "workflow/reference/weights/sources.yaml")
    networks = recipe_networks(recipe, streams, sources, [*places, root])
    codes = {stage: stage_code(stage, root, accepted or {}) for stage in {*SCRIPTS, *networks}}
    return Extraction(name, recipe, streams, networks, codes, cache / name, device, **options)
