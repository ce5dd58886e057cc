"""Every dataset, recipe, method, protocol and table that the project knows, checked.

Snakemake parses its files anew for every command and every job. So a catalog keeps what it has
checked in a folder, by a key of all that it depends on: the YAML files, the changes laid over
them, and the code of the checks. Where that is there, nothing is imported that is slow to import.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wstal.base.code_digest import source_digest
from wstal.base.errors import WstalError
from wstal.base.files import keep_newest, read_cached, write_cached
from wstal.config.installation import OWN_CONFIG, ROOT, work_folder
from wstal.config.layers import (
    FIT,
    IMPORTED,
    merged,
    read_yaml,
    resolve_run,
    run_overlays,
    settings_source,
    split_run,
    yaml_files,
)
from wstal.config.own_schedule import LabelCounts, fitted, label_counts

PACKAGE = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "workflow/config"
CACHE = Path(".snakemake/wstal")  # of a work folder
KEPT = 20  # configurations whose checked form is kept: the last commands' and jobs'

Trees = dict[str, dict[str, Any]]  # of one kind, by name


@dataclass(frozen=True)
class Catalog:
    """Checked configuration by kind and name, as plain trees."""

    backbones: Trees
    datasets: Trees
    features: Trees
    methods: Trees  # as in their files; `run_config` resolves and checks a run
    protocols: Trees
    tables: Trees
    top: dict[str, Any]  # the top layer: targets, device, accept_code
    label_choices: Trees  # of each dataset's choices, those that labels depend on
    networks: Trees = field(default_factory=dict)  # behind each stream of each recipe
    sources: dict[str, str] = field(default_factory=dict)  # kind/name: the file it is from
    # Of each method, what changes say at its top: it is laid over the fit to own videos, too.
    changed: Trees = field(default_factory=dict)
    cache: Path | None = None  # of resolved runs
    key: str = ""
    _resolved: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)

    def runs(self) -> list[str]:
        """Return the names of all runs: every method and every variant of it."""
        return [
            name
            for method, about in self.methods.items()
            for name in [method, *(f"{method}-{variant}" for variant in about.get("variants", {}))]
        ]

    def fused(self) -> list[str]:
        """Return the runs that join the proposals of others and are not trained (`fuse_from`)."""
        return [run for run in self.runs() if self._setting(run, "fuse_from")]

    def imported(self) -> list[str]:
        """Return the runs whose weights are checkpoints that a dataset names."""
        return [run for run in self.runs() if split_run(run)[1] == IMPORTED]

    def seeds(self, dataset: str, run: str) -> list[int]:
        """Return the seeds of a run on a dataset: of an imported one, a number per checkpoint."""
        if split_run(run)[1] == IMPORTED:
            return list(range(len(self.datasets[dataset]["checkpoints"].get(run, [""]))))
        return list(self.datasets[dataset]["seeds"])

    def parts(self) -> dict[str, list[str]]:
        """Return the runs whose proposals each of `fused` joins."""
        return {run: list(self._setting(run, "fuse_from").values()) for run in self.fused()}

    def _setting(self, run: str, key: str) -> Any:
        """Return a top-level setting of a run on any dataset."""
        method, variant = split_run(run)
        about = self.methods[method]
        change = about["variants"][variant] if variant else None
        return (change or {}).get(key, about.get(key))

    def run_config(self, dataset: str, run: str, recipe: str | None = None) -> dict[str, Any]:
        """Return the resolved, checked config of a run on a dataset (and its default recipe).

        Raises WstalError for an unknown run, naming the nearest known one.
        """
        if run not in self.runs():
            near = get_close_matches(run, self.runs(), 3)
            raise WstalError(f"run {run!r} is not known; nearest: {', '.join(near) or 'none'}")
        recipe = recipe or self.datasets[dataset]["recipe"]
        counts = self.counts(dataset, run)
        name = (dataset, run, recipe, str(counts))
        if name not in self._resolved:
            kept = self.cache and self.cache / f"{_digest(self.key, *name)}.json"
            found = read_cached(kept)
            if found is None:
                found = self._checked_run(dataset, run, recipe, counts)
                write_cached(kept, found)
            self._resolved[name] = found
        return deepcopy(self._resolved[name])

    def _checked_run(
        self, dataset: str, run: str, recipe: str, counts: LabelCounts | None
    ) -> dict[str, Any]:
        from wstal.config.validation import check_run  # slow to import

        method, variant = split_run(run)
        model, settings = self.methods[method], self.settings(dataset, run)
        config = resolve_run(model, settings, variant, recipe)
        if counts:
            overlays = run_overlays(model, settings, variant, recipe)
            later = merged(self.changed.get(method, {}), overlays)
            share = self.datasets[dataset]["action_share"]
            config = merged(config, fitted(model, counts, later, share), later)
        source = f"{self.sources[f'methods/{method}']} ({run} on {dataset}, {recipe})"
        return check_run(method, config, source)

    def counts(self, dataset: str, run: str) -> LabelCounts | None:
        """Return what of own labels a run's schedule depends on; None if it takes another one.

        That is so where the dataset's `settings:` name one, or the method's YAML has no `fit`.
        """
        about, model = self.datasets[dataset], self.methods[split_run(run)[0]]
        if about["kind"] != "folder" or about.get("settings") or not model.get(FIT):
            return None
        return label_counts(dataset, about)

    def settings(self, dataset: str, run: str) -> str:
        """Return the dataset whose settings a run takes; "" is the method's own."""
        return settings_source(self.methods[split_run(run)[0]], dataset, self.datasets)

    def settings_note(self, dataset: str, run: str, recipe: str) -> str:
        """Return whose settings a run takes, where they are not the dataset's or recipe's own."""
        method, source = split_run(run)[0], self.settings(dataset, run)
        if counts := self.counts(dataset, run):
            share = self.datasets[dataset]["action_share"]
            read = share is not None and self.methods[method][FIT].get("action_share")
            note = f"schedule of {counts.videos} training videos of {counts.classes} classes"
            return f"{note}, action share {share:g}" if read else note
        if source == dataset or recipe in (self.methods[method].get("recipes") or {}):
            return ""
        return f"settings of {source}" if source else f"default settings of {method}"

    def protocol(self, dataset: str) -> dict[str, Any]:
        """Return the dataset's own protocol, with its name."""
        name = self.datasets[dataset]["protocol"]
        return {"name": name, **self.protocols[name]}

    def paper_protocol(self, dataset: str, run: str) -> dict[str, Any]:
        """Return how the method's paper scored the dataset; the dataset's own where it did not."""
        named = self._of_paper("paper_protocols", dataset, run)
        name = named or self.datasets[dataset]["protocol"]
        return {"name": name, **self.protocols[name]}

    def has_paper_reading(self, dataset: str, run: str) -> bool:
        """Return whether results are also read as a paper does: not those of own videos."""
        named = self._of_paper("paper_protocols", dataset, run)
        return self.datasets[dataset]["kind"] != "folder" or named is not None

    def paper_recipe(self, dataset: str, run: str) -> str | None:
        """Return the recipe of the features that the method's paper used on the dataset."""
        return self._of_paper("paper_features", dataset, run)

    def _of_paper(self, key: str, dataset: str, run: str) -> str | None:
        """Return what a section of the method's YAML names for a dataset, or for its settings'."""
        named = self.methods[split_run(run)[0]].get(key, {})
        source = self.settings(dataset, run)
        if source and self.datasets[source]["kind"] == self.datasets[dataset]["kind"]:
            return named.get(dataset, named.get(source))
        return named.get(dataset)

    def run_networks(self, dataset: str, run: str, recipe: str) -> list[str]:
        """Return the networks behind the streams that a run takes of a recipe, each once.

        Published files may have streams beyond the recipe's, such as scores, of the same networks.
        """
        streams, known = self.run_config(dataset, run, recipe)["streams"], self.networks[recipe]
        return sorted({known[name] for name in streams if name in known} or set(known.values()))

    def paper_checkpoint(self, run: str) -> str:
        """Return which checkpoint the method's paper reports; the last iterate if it is silent."""
        return self.methods[split_run(run)[0]].get("paper_checkpoint", "last")


def load_catalog(
    overrides: Mapping[str, Any] | None = None,
    folder: str | Path = FOLDER,
    cache: Path | None = None,
) -> Catalog:
    """Read `folder`/{kind}/*.yaml, lay `overrides` ({kind: {name: {...}}}) over and check all.

    Errors say what of `overrides` the work folder's `wstal.yaml` gives, where its content has it.
    `cache` is the folder that keeps what was checked; without it everything is read and checked.
    Raises WstalError for a bad name, an unknown key or a name that is recipe and run at once.
    """
    folder, overrides = Path(folder), overrides or {}
    own = own_config(work_folder()) if overrides else {}
    key = _key(folder, overrides, own, cache) if cache else ""
    kept = cache and cache / "catalog" / f"{key}.json"
    content = read_cached(kept)
    if content is None:
        from wstal.config.validation import read_configuration  # slow to import

        content = read_configuration(folder, overrides, own)
        write_cached(kept, content)
        if cache:
            keep_newest(cache / "catalog", KEPT)
            keep_newest(cache / "runs", 100 * KEPT)
    return Catalog(**content, cache=cache and cache / "runs", key=key)


def own_config(folder: Path) -> dict[str, Any]:
    """Return what the `wstal.yaml` of a work folder lays over the configuration.

    Without one, or if it is empty or holds comments alone, that is {}.
    """
    path = folder / OWN_CONFIG
    return read_yaml(path, may_be_empty=True) if path.is_file() else {}


def own_catalog(configfile: Path | None = None) -> Catalog:
    """Return the catalog of the current work folder, with `configfile` laid over."""
    given = read_yaml(configfile) if configfile else {}
    cache = work_folder() / CACHE
    layers = merged(own_config(work_folder()), given)
    return load_catalog(layers, cache=cache if cache.is_dir() else None)


def layered_config(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the top layer of the configuration with `wstal.yaml` and then `given` laid over."""
    defaults = read_yaml(ROOT / "workflow/config/default.yaml")
    return merged(defaults, own_config(folder), given)


def _key(folder: Path, overrides: Mapping[str, Any], own: Mapping[str, Any], cache: Path) -> str:
    """Return a digest of all that a checked configuration depends on."""
    files = [path for kind in sorted(folder.iterdir()) for path in yaml_files(kind)]
    methods = PACKAGE.glob("methods/*/*.py")
    modules = ["wstal.config.validation", *(_module(path) for path in sorted(methods))]
    code = source_digest(__file__, PACKAGE, modules, cache / "code.json")  # defaults count
    home = os.environ.get("HOME", "")  # what `~/` stands for
    parts = [f"{path.relative_to(folder)}\0{path.read_text(errors='replace')}" for path in files]
    changes = json.dumps([overrides, own], sort_keys=False, default=str)
    return _digest(sys.version, code, home, str(folder), changes, *parts)


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
