"""What can be asked for: suited methods, runs that explain a gap, names near a misspelt target.

At the end stand the runs behind a paper's table and in its figures.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Any, NamedTuple

from wstal.base.errors import WstalError
from wstal.config.catalog import Catalog
from wstal.config.layers import split_run

_CALLED = {"other": "run"}  # wildcards whose names are of another kind
_WILDCARD = re.compile(r"\{(\w+)[^{}]*\}")


def alternation(names: Iterable[str]) -> str:
    """Return a regular expression for exactly these names, the longest first."""
    return "|".join(sorted(names, key=len, reverse=True)) or "(?!)"


def unsuited(catalog: Catalog, dataset: str) -> dict[str, str]:
    """Return why each method cannot run on a dataset; empty text for those that can.

    A method stands for its canonical run: the recipe must provide every stream that it needs, a
    run that joins proposals gives no class for a second (`task: events`), and its teachers, if it
    has any, must be able to run there, too.
    """
    return {method: _reason(catalog, dataset, method) for method in catalog.methods}


def suited_methods(catalog: Catalog, dataset: str) -> list[str]:
    """Return the methods that can run on a dataset, sorted."""
    return sorted(name for name, reason in unsuited(catalog, dataset).items() if not reason)


def no_method(catalog: Catalog, dataset: str) -> str:
    """Return what to do where no method can run on a dataset; "" where one can."""
    reasons = unsuited(catalog, dataset)
    if not all(reasons.values()):
        return ""
    recipe = catalog.datasets[dataset]["recipe"]
    streams = ", ".join(catalog.features[recipe]["streams"])
    return (
        f"no method suits dataset {dataset}: "
        f"{'; '.join(f'{name} {reason}' for name, reason in reasons.items())}. Name the streams "
        "that a method should use, in a file for --configfile: methods: {tssam: {recipes: "
        f"{{{recipe}: {{streams: [{streams}]}}}}}}}}"
    )


def text_streams(catalog: Catalog, recipe: str) -> list[tuple[str, str]]:
    """Return the streams of a recipe whose backbones read text, each with its backbone."""
    reads = [name for name, entry in catalog.backbones.items() if entry["text"]]
    return [pair for pair in catalog.features[recipe]["streams"].items() if pair[1] in reads]


def zero_shot_reason(catalog: Catalog, recipe: str) -> str:
    """Return why a recipe has no baseline by the names of classes; "" if it has."""
    streams = text_streams(catalog, recipe)
    if not streams:
        return f"needs a stream in a space with text, which recipe {recipe} does not provide"
    if catalog.features[recipe][streams[0][1]]["weights"] == "untrained":
        return f"needs trained weights, and recipe {recipe} has random ones"
    return ""


def _reason(catalog: Catalog, dataset: str, run: str) -> str:
    about: dict[str, Any] = catalog.datasets[dataset]
    config = catalog.run_config(dataset, run)
    there = catalog.features[about["recipe"]]["streams"]
    if absent := [name for name in config["streams"] if name not in there]:
        return f"needs {', '.join(absent)}, which recipe {about['recipe']} does not provide"
    if config.get("fuse_from") and about["task"] == "events":
        return "joins proposals, so it gives no class for a second"
    for teacher in config.get("teachers", ()):
        if reason := _reason(catalog, dataset, teacher):
            return f"learns from {teacher}, which {reason}"
    return ""


def gap_runs(catalog: Catalog, dataset: str, run: str) -> list[dict[str, Any]]:
    """Return the other runs that may explain the gap between a run and its paper.

    Each has cause, way, run, recipe, whether it is the paper's way (`paper`), and its `target`:
    the variants that `gap:` of the method's YAML lists, where their settings differ on this
    dataset, and the features of the paper, if ours are others.
    """
    method, variant = split_run(run)
    own = catalog.datasets[dataset]["recipe"]
    listed = {} if variant else catalog.methods[method].get("gap", {})
    config = catalog.run_config(dataset, run)
    found = []
    for name, way in listed.items():
        other = f"{run}-{name}"
        if catalog.run_config(dataset, other) != config:
            target = f"results/{dataset}/{other}_map.csv"
            about = {"cause": other, "way": way, "run": other, "recipe": own, "paper": False}
            found.append({**about, "target": target})
    paper = catalog.paper_recipe(dataset, run)
    if paper and paper != own:
        names = {
            recipe: f"{', '.join(catalog.run_networks(dataset, run, recipe))} ({recipe})"
            for recipe in (paper, own)
        }
        way = f"{names[paper]} instead of {names[own]}"
        about = {"cause": "features' source", "way": way, "run": run, "recipe": paper}
        target = f"results/{dataset}/{paper}/{run}/{run}_map.csv"
        found.insert(0, {**about, "paper": True, "target": target})
    return found


def printed_row(catalog: Catalog, dataset: str, run: str) -> dict[str, str]:
    """Return the table, its CSV and the row that print a run's number; empty if none does."""
    for name, table in catalog.tables.items():
        for row in table["rows"]:
            if (row["dataset"], row["run"]) == (dataset, run):
                return {"table": name, "file": table["paper"], "variant": row["variant"]}
    return {}


def misspelt(
    target: str,
    patterns: Iterable[str],
    known: Mapping[str, Collection[str]],
    joined: Mapping[str, Iterable[str]] | None = None,
) -> str:
    """Return why no rule makes `target`, with the nearest names.

    `patterns` are the rules' outputs, such as `results/{dataset}/{run}_map.csv`; `known` has the
    names that each wildcard may take; a wildcard that is not listed takes any. Of the patterns
    whose form the target has, the best leaves fewest names unknown; of equal ones, the one with
    most fixed text. `joined` has the runs that are not trained, each with the runs that it joins.
    """
    patterns, readings = list(patterns), []
    for pattern in patterns:
        if found := _loosely(pattern).fullmatch(target):
            names = {n: v for n, v in found.groupdict().items() if v not in known.get(n, [v])}
            own = len(_WILDCARD.sub("", pattern))
            readings.append((len(names), -own, names))
            run = found.groupdict().get("run")
            if not names and run in (joined or {}):
                parts = ", ".join(target.replace(run, part) for part in joined[run])
                return (
                    f"no rule makes {target}: {run} joins the proposals of other runs and is not "
                    f"trained itself; ask for {parts}"
                )
    names = min(readings, key=lambda reading: reading[:2])[2] if readings else {}
    if names:
        return f"no rule makes {target}: {_unknown_parts(names, known)}"
    names, suffixes = _with_other_suffix(target, patterns, known)
    if not suffixes:
        return f"no rule makes {target}: results/README.md lists the possible targets"
    unknown = f"{_unknown_parts(names, known)}; " if names else ""
    return f"no rule makes {target}: {unknown}it is made as {' or '.join(suffixes)}"


def misspelt_rule(name: str, rules: Collection[str]) -> str:
    """Return that no rule has this name, with the nearest; "" if one has, or if it is a path."""
    if name in rules or "/" in name:
        return ""
    near = get_close_matches(name, rules, 3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "results/README.md lists the targets"
    return f"there is no target {name}; {hint}"


def _with_other_suffix(
    target: str, patterns: Iterable[str], known: Mapping[str, Collection[str]]
) -> tuple[dict[str, str], list[str]]:
    """The unknown names and the suffixes of the files that are called as the target before its own.

    Those with fewest unknown names; no suffixes if there are none of this form.
    """
    stem = target.rpartition(".")[0]
    found: dict[tuple, set[str]] = {}
    for pattern in patterns:
        start, dot, suffix = pattern.rpartition(".")
        match = _loosely(start).fullmatch(stem) if dot and "}" not in suffix else None
        if match and "{" in start.rpartition("/")[2]:
            names = {n: v for n, v in match.groupdict().items() if v not in known.get(n, [v])}
            found.setdefault(tuple(names.items()), set()).add(f".{suffix}")
    if not found:
        return {}, []
    fewest = min(found, key=lambda names: (len(names), names))
    return dict(fewest), sorted(found[fewest])


def _unknown_parts(names: Mapping[str, str], known: Mapping[str, Collection[str]]) -> str:
    return "; ".join(_unknown_part(kind, name, known[kind]) for kind, name in names.items())


def _unknown_part(kind: str, name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
    return f"{name!r} is not a {_CALLED.get(kind, kind)}; {hint}"


def _loosely(pattern: str) -> re.Pattern[str]:
    """Return the pattern with any text between two slashes for a wildcard."""
    parts, seen = [], set()
    at = 0
    for found in _WILDCARD.finditer(pattern):
        name = found[1]
        parts.append(re.escape(pattern[at : found.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
        seen.add(name)
        at = found.end()
    return re.compile("".join([*parts, re.escape(pattern[at:])]))


def asked_for(arguments: Sequence[str]) -> list[str]:
    """Return the paths in results/ on Snakemake's command line, without the values of options."""
    words = zip(arguments, arguments[1:], strict=False)
    return [path for last, path in words if path.startswith("results/") and not _takes_path(last)]


def named_first(arguments: Sequence[str]) -> list[str]:
    """Return the words on the command line that are targets for certain: before any option."""
    return list(takewhile(lambda word: not word.startswith("-"), arguments[1:]))


def _takes_path(word: str) -> bool:
    """Return whether this is an option of Snakemake that a path may follow which is no target."""
    is_open = word.startswith("--") and "=" not in word and word not in ("--", "--dry-run")
    return word in ("-d", "-s") or is_open


def table_runs(table: Mapping[str, Any], dataset: str | None = None) -> list[tuple[str, str]]:
    """Return the (dataset, run) pairs behind a table, each once, in the order of its rows.

    With `dataset`, every row is taken on that dataset instead of the paper's.
    """
    return list(dict.fromkeys((dataset or row["dataset"], row["run"]) for row in table["rows"]))


class Strips(NamedTuple):
    """A figure: which runs are shown, and what of them."""

    title: str
    dataset: str  # the paper's
    rows: list[Mapping[str, str]]  # of the table
    shows: str = "attention"  # or class: the annotated classes' probability; or attended
    videos: int = 2  # how many
    skip: int = 0  # videos passed over in the order of choice
    segments: bool = False  # the predicted segments below each strip
    chosen: str = "annotation"  # or loss: where the last row loses most against the first
    classes: Sequence[str] = ()  # of which a video each comes first


def table_figures(table: Mapping[str, Any]) -> dict[str, Strips]:
    """Return the figures that belong to a table: `figure` shows all rows, `figures` some.

    Raises WstalError for a row that the table does not have.
    """
    wanted = {**({table["figure"]: {}} if "figure" in table else {}), **table.get("figures", {})}
    return {name: _strips(table, name, figure) for name, figure in wanted.items()}


def _strips(table: Mapping[str, Any], name: str, figure: Mapping[str, Any]) -> Strips:
    dataset = figure.get("dataset", table["rows"][0]["dataset"])
    rows = {row["variant"]: row for row in table["rows"] if row["dataset"] == dataset}
    chosen = figure.get("rows", list(rows))
    if unknown := [variant for variant in chosen if variant not in rows]:
        raise WstalError(f"{name}: {unknown} are not rows of its table on {dataset}")
    known = ("shows", "videos", "skip", "segments", "chosen", "classes")
    options = {key: figure[key] for key in known if key in figure}
    return Strips(table["title"], dataset, [rows[variant] for variant in chosen], **options)
