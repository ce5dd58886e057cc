"""From YAML files to one tree: reading, files that hold several things, laying changes over.

`tables/{method}.yaml` maps `table1`, `table2`, ... to the tables of a paper; their names are
`{method}_table1` and so on. `protocols/{family}.yaml` has the settings that a family shares and
maps each name under `protocols:` to what differs; each of its `variants:` is a protocol of its own,
`{protocol}_{variant}`. A file without `protocols:` is one protocol with the file's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from wstal.base.errors import WstalError
from wstal.base.text_files import read_text

OVERLAYS = ("datasets", "recipes", "variants")  # sections of a method's YAML that change the rest
# How the paper's numbers were obtained, and which runs may explain a gap to them.
READING = ("paper_protocols", "paper_checkpoint", "paper_features", "gap")
FIT = "fit"  # what own videos take instead of the schedule of the paper's dataset
NOT_A_RUN = (*OVERLAYS, *READING, FIT)  # not part of what a run computes


def read_yaml(path: Path, *, may_be_empty: bool = False) -> dict[str, Any]:
    """Return the mapping in a YAML file; raise WstalError naming the file if it has none.

    With `may_be_empty` a file without content, or with comments alone, is an empty mapping. A key
    that a mapping repeats is refused: of two sections of one name the first would be lost.
    """
    text = read_text(path, "YAML")
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise WstalError(f"{path} is not YAML: {_problem(error, text)}") from error
    if content is None and may_be_empty:
        return {}
    if not isinstance(content, dict):
        raise WstalError(f"{path}: expected a mapping of keys to values")
    return content


def _problem(error: yaml.YAMLError, text: str) -> str:
    """Return what the parser says of a text, in one line, with the place."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).replace('in "<unicode string>",', "at").split())
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    tab = "; indent by spaces, not by tabs" if line[mark.column : mark.column + 1] == "\t" else ""
    said = ", ".join(filter(None, (error.context, error.problem)))
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}{tab}"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # libyaml is eight times faster
    def get_single_node(self) -> yaml.Node | None:
        # Here and not where mappings are built: merging (<<) repeats keys by design.
        node = super().get_single_node()
        _refuse_repeated_keys(node, set())
        return node


def _refuse_repeated_keys(node: Any, known: set[int]) -> None:
    """Raise MarkedYAMLError if a mapping in a tree of nodes has a key twice; aliases may loop."""
    if id(node) in known or not isinstance(node, yaml.CollectionNode):
        return
    known.add(id(node))
    seen: set[tuple[str, str]] = set()
    for part in node.value:
        key, value = part if isinstance(node, yaml.MappingNode) else (None, part)
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} is repeated; keep one, or join what they hold"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        _refuse_repeated_keys(value, known)


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


IMPORTED = "imported"  # variant that is not trained: `checkpoints:` of a dataset names its weights
PUBLISHED = ("thumos14", "activitynet", "ave")  # kinds whose datasets have settings of their own


def settings_source(
    model: Mapping[str, Any], dataset: str, datasets: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the dataset whose settings in a method's YAML a dataset takes; "": the method's own.

    It is the one that `settings:` of the dataset names, else the dataset itself, else the only
    dataset of the same published kind. Raises WstalError where a kind has several.
    """
    known, about = model.get("datasets") or {}, datasets[dataset]
    if about.get("settings"):
        return about["settings"] if about["settings"] in known else ""
    if dataset in known or about["kind"] not in PUBLISHED:
        return dataset if dataset in known else ""
    same = [name for name in known if datasets[name]["kind"] == about["kind"]]
    if len(same) > 1:
        raise WstalError(
            f"dataset {dataset}: {model['method']} has settings for {' and '.join(same)}; choose "
            f"by `settings: {same[0]}` in the dataset's YAML"
        )
    return same[0] if same else ""


def resolve_run(
    model: Mapping[str, Any], dataset: str, variant: str | None, recipe: str = ""
) -> dict[str, Any]:
    """Return one run's config: base, then the overlays of dataset, feature recipe and variant.

    `dataset` is the one whose settings are taken (`settings_source`).
    """
    base = {key: value for key, value in model.items() if key not in NOT_A_RUN}
    return merged(base, run_overlays(model, dataset, variant, recipe))


def run_overlays(
    model: Mapping[str, Any], dataset: str, variant: str | None, recipe: str = ""
) -> dict[str, Any]:
    """Return the overlays of a run as one: of dataset, feature recipe and variant."""
    overlays = [
        model.get("datasets", {}).get(dataset),
        model.get("recipes", {}).get(recipe),
        model["variants"][variant] if variant else None,
    ]
    return merged(*(overlay or {} for overlay in overlays))


_TABLE = re.compile(r"table(\d+)\Z")


def tables_of(path: Path, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a paper's tables by name, each with its method, its number and the paper's CSV."""
    tables = {}
    for key, table in content.items():
        found = _TABLE.match(str(key))
        if not found:
            raise WstalError(f"{path}: {key!r} is not a table; name tables table1, table2, ...")
        name = f"{path.stem}_{key}"
        known = {"method": path.stem, "table": int(found[1]), "paper": f"{name}.csv"}
        tables[name] = known | expect_mapping(table, f"{path}: {key}")
    return tables


def protocols_of(path: Path, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a family's protocols by name, without their defaults."""
    if "protocols" not in content:
        return {path.stem: dict(content)}
    shared = {key: value for key, value in content.items() if key != "protocols"}
    protocols: dict[str, dict[str, Any]] = {}
    for name, own in expect_mapping(content["protocols"], f"{path}: protocols").items():
        where = f"{path}: protocols.{name}"
        own = dict(expect_mapping(own, where))
        variants = expect_mapping(own.pop("variants", {}), f"{where}.variants")
        base = merged(shared, own)
        layers = {name: base}
        for variant, change in variants.items():
            change = expect_mapping(change, f"{where}.variants.{variant}")
            layers[f"{name}_{variant}"] = merged(base, change)
        if repeated := protocols.keys() & layers.keys():
            raise WstalError(f"{where}: {', '.join(sorted(repeated))} is there twice")
        protocols |= layers
    return protocols
