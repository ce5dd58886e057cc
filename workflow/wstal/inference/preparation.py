"""The stages of a recipe made ready for new video files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from wstal.inference.extraction import Extraction
from wstal.inference.recipe_networks import recipe_networks
from wstal.inference.stage_code import SCRIPTS, stage_code
from wstal.nets.weight_files import read_sources


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
