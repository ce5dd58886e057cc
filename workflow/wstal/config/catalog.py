"""Every dataset, recipe, method, protocol and table that the project knows, checked."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.config.check import validated
from wstal.config.layers import NOT_A_RUN, OVERLAYS, merged, read_yaml, resolve_run, split_run

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


# FOLDED Which methods a dataset's default recipe and task allow.


def unsuited(catalog: Catalog, dataset: str) -> dict[str, str]:
    """Why a method cannot be run on a dataset, by method; empty for those that can.

    A method stands for its canonical run: every stream it takes must be one of the recipe's, and
    a run that joins proposals has nothing to say on seconds (`task: events`).
    """
    return {method: _reason(catalog, dataset, method) for method in catalog.models}


def suited_methods(catalog: Catalog, dataset: str) -> list[str]:
    """The methods that can be run on a dataset, in the order of their names."""
    return sorted(name for name, reason in unsuited(catalog, dataset).items() if not reason)


def no_method(catalog: Catalog, dataset: str) -> str:
    """What to do where no method can be run on a dataset; "" where one can."""
    reasons = unsuited(catalog, dataset)
    if not all(reasons.values()):
        return ""
    recipe = catalog.datasets[dataset]["recipe"]
    streams = ", ".join(catalog.features[recipe]["streams"])
    return (
        f"no method suits dataset {dataset}: "
        f"{'; '.join(f'{name} {reason}' for name, reason in reasons.items())}. Say which streams "
        f"one is to take, in a file for --configfile: models: {{tssam: {{recipes: {{{recipe}: "
        f"{{streams: [{streams}]}}}}}}}}"
    )


def _reason(catalog: Catalog, dataset: str, run: str) -> str:
    about: dict[str, Any] = catalog.datasets[dataset]
    config = catalog.run_config(dataset, run)
    there = catalog.features[about["recipe"]]["streams"]
    if absent := [name for name in config["streams"] if name not in there]:
        return f"takes {', '.join(absent)}, which recipe {about['recipe']} has not"
    if config.get("fuse_from") and about["task"] == "events":
        return "joins proposals, and names no class for a second"
    return ""


# FOLDED What was meant by a target that no rule makes: nearly always a name that is misspelt.

_CALLED = {"other": "run"}  # wildcards whose names are of another kind
_WILDCARD = re.compile(r"\{(\w+)[^{}]*\}")


def misspelt(target: str, patterns: Iterable[str], known: Mapping[str, Collection[str]]) -> str:
    """Why no rule makes `target`, with the nearest names.

    `patterns` are the rules' outputs, `results/{dataset}/{run}_map.csv`; `known` the names that
    a wildcard may take, any for one that is not listed. Of the patterns that the target has the
    form of, the one counts that leaves fewest names unknown, then that with most text of its own.
    """
    readings = []
    for pattern in patterns:
        if found := _loosely(pattern).fullmatch(target):
            names = {n: v for n, v in found.groupdict().items() if v not in known.get(n, [v])}
            own = len(_WILDCARD.sub("", pattern))
            readings.append((len(names), -own, names))
    names = min(readings, key=lambda reading: reading[:2])[2] if readings else {}
    if not names:
        return f"no rule makes {target}: results/README.md says what there is to ask for"
    told = [_unknown_part(kind, name, known[kind]) for kind, name in names.items()]
    return f"no rule makes {target}: {'; '.join(told)}"


def _unknown_part(kind: str, name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known))}"
    return f"{name!r} is no {_CALLED.get(kind, kind)}; {hint}"


def _loosely(pattern: str) -> re.Pattern[str]:
    """The pattern with any text between two slashes for a wildcard."""
    parts, seen = [], set()
    at = 0
    for found in _WILDCARD.finditer(pattern):
        name = found[1]
        parts.append(re.escape(pattern[at : found.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
        seen.add(name)
        at = found.end()
    return re.compile("".join([*parts, re.escape(pattern[at:])]))
