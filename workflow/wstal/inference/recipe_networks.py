"""The networks of a recipe's streams with their weights, where the DAG has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wstal.config.recipes import section_of
from wstal.config.sources import weights_path
from wstal.errors import WstalError
from wstal.features.backbone_stage import backbone_network
from wstal.features.i3d_stage import i3d_network
from wstal.features.pack import FeatureFile
from wstal.features.shard import LoadedNetwork
from wstal.features.vggish_stage import vggish_network
from wstal.nets.weight_files import WeightFile

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
