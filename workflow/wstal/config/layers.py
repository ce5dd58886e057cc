"""How layers of configuration become the one that a job gets."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from wstal.base.errors import WstalError


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Layers merged from the left: a later value wins, mappings are merged key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            both = isinstance(value, Mapping) and isinstance(old, Mapping)
            result[key] = merged(old, value) if both else deepcopy(value)
    return result


def split_run(run: str) -> tuple[str, str | None]:
    """A run's name as (method, variant): `co2net-mutual_kl` is variant mutual_kl of co2net."""
    method, _, variant = run.partition("-")
    return method, variant or None


OVERLAYS = ("datasets", "recipes", "variants")
NOT_A_RUN = (*OVERLAYS, "paper_protocols")  # no part of what a run computes


def resolve_run(
    model: Mapping[str, Any], dataset: str, variant: str | None, recipe: str = ""
) -> dict[str, Any]:
    """The config of one run: base, then the overlays of dataset, feature recipe and variant."""
    base = {key: value for key, value in model.items() if key not in NOT_A_RUN}
    overlays = [
        model.get("datasets", {}).get(dataset),
        model.get("recipes", {}).get(recipe),
        model["variants"][variant] if variant else None,
    ]
    return merged(base, *(overlay or {} for overlay in overlays))


# FOLDED YAML files, of which the project's hold one mapping each.


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises WstalError naming the file if it holds none.

    A key that a mapping repeats is refused: of two sections of one name the first would be lost.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WstalError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise WstalError(f"{path}: expected a mapping of keys to values")
    return content


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        # Here and not where mappings are built: merging (<<) puts keys in twice by design.
        node, seen = super().compose_mapping_node(anchor), set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} stands twice; keep one, or join what they hold"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        return node
