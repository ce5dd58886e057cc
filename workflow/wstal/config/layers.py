"""From YAML files to one tree: reading, laying changes over, and the names of runs."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from wstal.base.errors import WstalError

OVERLAYS = ("datasets", "recipes", "variants")  # sections of a method's YAML that change the rest
NOT_A_RUN = (*OVERLAYS, "paper_protocols")  # not part of what a run computes


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; raise WstalError naming the file if it has none.

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
        # Here and not where mappings are built: merging (<<) repeats keys by design.
        node, seen = super().compose_mapping_node(anchor), set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} is repeated; keep one, or join what they hold"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        return node


def yaml_files(folder: Path) -> list[Path]:
    """Return the YAML files in a folder, sorted, without those that editors and disks hide."""
    return sorted(folder.glob("[!.]*.yaml"))


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge layers from the left: a later value wins, mappings are merged key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            both = isinstance(value, Mapping) and isinstance(old, Mapping)
            result[key] = merged(old, value) if both else deepcopy(value)
    return result


def expect_mapping(value: Any, where: str) -> Mapping[Any, Any]:
    """Return `value`; raise WstalError that names the place if it is not a mapping."""
    if not isinstance(value, Mapping):
        raise WstalError(f"{where}: expected a mapping, got {value!r}; check braces and quotes")
    return value


def split_run(run: str) -> tuple[str, str | None]:
    """Return a run's (method, variant): `co2net-mutual_kl` is the variant mutual_kl of co2net."""
    method, _, variant = run.partition("-")
    return method, variant or None


def resolve_run(
    model: Mapping[str, Any], dataset: str, variant: str | None, recipe: str = ""
) -> dict[str, Any]:
    """Return one run's config: base, then the overlays of dataset, feature recipe and variant."""
    base = {key: value for key, value in model.items() if key not in NOT_A_RUN}
    overlays = [
        model.get("datasets", {}).get(dataset),
        model.get("recipes", {}).get(recipe),
        model["variants"][variant] if variant else None,
    ]
    return merged(base, *(overlay or {} for overlay in overlays))
