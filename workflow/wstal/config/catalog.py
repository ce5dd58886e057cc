"""Every dataset, recipe, method, protocol and table that the project knows, checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wstal.config.layers import NOT_A_RUN, OVERLAYS, merged, resolve_run, split_run
from wstal.config.validate import validated
from wstal.config.yaml_file import read_yaml
from wstal.errors import WstalError

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
RESERVED = {"tables", "figures", "logs", "benchmarks", "report", "weights"}
PATHS = ("videos", "labels", "segments", "features")  # of a dataset
KINDS = {
    "datasets": "dataset",
    "features": "features",
    "models": "model",
    "protocols": "protocol",
    "tables": "table",
}


@dataclass(frozen=True)
class Catalog:
    """Validated configuration by kind and name; `sources` says which file each came from."""

    datasets: dict[str, dict[str, Any]]
    features: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]
    protocols: dict[str, dict[str, Any]]
    tables: dict[str, dict[str, Any]]
    schemas: dict[str, dict[str, Any]]
    sources: dict[str, str] = field(default_factory=dict)

    def runs(self) -> list[str]:
        """Names of all runs: every method and every variant of it."""
        return [
            name
            for method, model in self.models.items()
            for name in [method, *(f"{method}-{variant}" for variant in model.get("variants", {}))]
        ]

    def fused(self) -> list[str]:
        """The runs that join the proposals of others and are not trained (`fuse_from`)."""
        resolved = {run: self._resolved(run, "", "") for run in self.runs()}
        return [run for run, config in resolved.items() if config.get("fuse_from")]

    def _resolved(self, run: str, dataset: str, recipe: str) -> dict[str, Any]:
        method, variant = split_run(run)
        return resolve_run(self.models[method], dataset, variant, recipe)

    def run_config(self, dataset: str, run: str, recipe: str | None = None) -> dict[str, Any]:
        """The resolved, validated config of a run on a dataset (and its default recipe).

        Raises WstalError for an unknown run, naming the nearest known one.
        """
        method, _ = split_run(run)
        if run not in self.runs():
            near = get_close_matches(run, self.runs(), 3)
            raise WstalError(f"run {run!r} is not known; nearest: {', '.join(near) or 'none'}")
        recipe = recipe or self.datasets[dataset]["recipe"]
        config = self._resolved(run, dataset, recipe)
        source = f"{self.sources[f'models/{method}']} ({run} on {dataset}, {recipe})"
        return validated(config, self.schemas[f"model_{method}"], source)

    def protocol(self, dataset: str) -> dict[str, Any]:
        """The dataset's own protocol, with its name."""
        name = self.datasets[dataset]["protocol"]
        return {"name": name, **self.protocols[name]}

    def paper_protocol(self, dataset: str, run: str) -> dict[str, Any]:
        """How the method's paper scored the dataset; the dataset's own where it did not."""
        named = self.models[split_run(run)[0]].get("paper_protocols", {})
        name = named.get(dataset, self.datasets[dataset]["protocol"])
        return {"name": name, **self.protocols[name]}


def load_catalog(
    folder: str | Path, schemas: str | Path, overrides: Mapping[str, Any] | None = None
) -> Catalog:
    """Read `folder`/{kind}/*.yaml, lay `overrides` ({kind: {name: {...}}}) over, validate.

    Raises WstalError for a bad name, an unknown key or a name that is recipe and run at once.
    """
    folder, known = Path(folder), _read_schemas(Path(schemas))
    content: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    protocols = {path.stem for path in folder.glob("protocols/[!.]*.yaml")}
    protocols |= set((overrides or {}).get("protocols") or {})
    for kind in KINDS:
        files = {path.stem: path for path in sorted((folder / kind).glob("[!.]*.yaml"))}
        given = "--config or --configfile"
        changes = _mapping((overrides or {}).get(kind) or {}, f"{given}, {kind}")
        content[kind] = {}
        for name in [*files, *(name for name in changes if name not in files)]:
            source = str(files[name]) if name in files else f"--config {kind}.{name}"
            base = read_yaml(files[name]) if name in files else {}
            change = _mapping(changes.get(name) or {}, f"{given}, {kind}.{name}")
            if name in files and change:
                source += f" under {given} ({kind}.{name})"
            sources[f"{kind}/{name}"] = source
            _check_name(name, kind, source)
            value = merged(base, change)
            content[kind][name] = _checked(kind, name, value, known, source, protocols)
    catalog = Catalog(**content, schemas=known, sources=sources)
    _check_names(catalog)
    if both := set(catalog.runs()) & set(catalog.features):
        raise WstalError(f"{sorted(both)} name a feature recipe and a run; rename one of them")
    return catalog


def _checked(
    kind: str, name: str, value: dict, schemas: dict, source: str, protocols: set[str]
) -> dict[str, Any]:
    if kind != "models":
        checked = validated(value, schemas[KINDS[kind]], source)
        return _from_home(checked) if kind == "datasets" else checked
    if f"model_{name}" not in schemas:
        raise WstalError(f"{source}: there is no schema model_{name}.schema.json for this method")
    # A section whose lines are all commented out is null.
    value = {key: part for key, part in value.items() if key not in NOT_A_RUN or part is not None}
    for key in NOT_A_RUN:
        for part, overlay in _mapping(value.get(key, {}), f"{source}: {key}").items():
            if key in OVERLAYS:
                _mapping(overlay or {}, f"{source}: {key}.{part}")
    for dataset, protocol in value.get("paper_protocols", {}).items():
        if protocol not in protocols:
            raise WstalError(f"{source}: paper_protocols.{dataset}: no protocol {protocol!r}")
    for variant in value.get("variants", {}):
        _check_name(variant, "variants", source)
    return value


def _from_home(dataset: dict[str, Any]) -> dict[str, Any]:
    """The same with `~/` in its paths as a shell reads it; inside quotes no shell does."""
    paths = {key: dataset[key] and _home(dataset[key]) for key in PATHS}
    return dataset | paths | {"proposals": {k: _home(v) for k, v in dataset["proposals"].items()}}


def _home(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~/") else path


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise WstalError(f"{where}: expected a mapping, got {value!r}; check braces and quotes")
    return value


def _check_names(catalog: Catalog) -> None:
    """Names that datasets and methods refer to must exist, and every overlay must be valid."""
    for name, dataset in catalog.datasets.items():
        source = catalog.sources[f"datasets/{name}"]
        for key, known in (("recipe", catalog.features), ("protocol", catalog.protocols)):
            if dataset[key] not in known:
                raise WstalError(f"{source}: {key}: {_unknown(dataset[key], known)}")
    for method, model in catalog.models.items():
        source = catalog.sources[f"models/{method}"]
        for overlay, known in (("datasets", catalog.datasets), ("recipes", catalog.features)):
            for name in model.get(overlay) or {}:
                if name not in known:
                    raise WstalError(f"{source}: {overlay}: {_unknown(name, known)}")
        schema = catalog.schemas[f"model_{method}"]
        for dataset in ["", *(model.get("datasets") or {})]:
            for variant in [None, *(model.get("variants") or {})]:
                where = f"{source} ({variant or method} on {dataset or 'any dataset'})"
                validated(resolve_run(model, dataset, variant), schema, where)
        for variant in [None, *(model.get("variants") or {})]:
            for key, run in _runs_named(resolve_run(model, "", variant)):
                if run not in catalog.runs():
                    raise WstalError(f"{source}: {key}: {_unknown(run, catalog.runs())}")
        for recipe in model.get("recipes") or {}:
            where = f"{source} (recipes.{recipe})"
            validated(resolve_run(model, "", None, recipe), schema, where)


def _runs_named(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key, run) for every other run that a run's config builds on."""
    named = [(key, config.get(key)) for key in ("scores_from", "init_from")]
    named += [("fuse_from", run) for run in (config.get("fuse_from") or {}).values()]
    return [(key, run) for key, run in named if run]


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(str(name), known, 3)
    return f"{name!r} is not known; nearest: {', '.join(near) or ', '.join(sorted(known))}"


def _check_name(name: Any, kind: str, source: str) -> None:
    if not NAME.match(str(name)) or (kind == "datasets" and name in RESERVED):
        raise WstalError(
            f"{source}: {name!r} cannot name one of the {kind}: use lower-case letters, digits "
            f"and _, first a letter, none of {', '.join(sorted(RESERVED))}"
        )


def _read_schemas(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(folder.glob("*.schema.json"))
    read = {path.name: json.loads(path.read_text()) for path in files}
    return {
        name.removesuffix(".schema.json"): _with_parts(schema, read)
        for name, schema in read.items()
    }


def _with_parts(schema: Any, files: Mapping[str, Any]) -> Any:
    """A schema with what it refers to in other files (`file#/$defs/name`) put in place."""
    if isinstance(schema, list):
        return [_with_parts(item, files) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "#/$defs/" in str(schema.get("$ref", "")):
        file, _, name = schema["$ref"].partition("#/$defs/")
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _with_parts(files[file]["$defs"][name] | own, files)
    return {key: _with_parts(value, files) for key, value in schema.items()}
