"""Print what a paper should say about a result, and the BibTeX to cite.

It names versions, protocol, features, seeds and digests, from the file's provenance beside it, and
cites the method, the dataset, the networks and wstal. A table gives one paragraph per run.

Examples:
  wstal cite results/demo/co2net_map.csv
  wstal cite results/tables/co2net_table3.csv results/thumos14/acn_map.csv
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wstal.commands.console import ROOT, Add, Program
from wstal.base.errors import WstalError
from wstal.base.files import read_frame
from wstal.base.provenance import read_provenance
from wstal.base.text_files import read_text
from wstal.config.catalog import Catalog, own_catalog
from wstal.config.layers import split_run
from wstal.config.stages import STAGES, backbone_names, section_of, stages_before

SAME_PAPER = {  # networks, and this project's own method, that another entry describes
    "i3d_r50": "i3d",
    "concord": "wstal",
    "clip_base": "clip",
    "openclip_base": "clip",
    "dinov2_base": "dinov2",
    "swin3d_t": "swin3d",
    "swin3d_b": "swin3d",
    "videomae_base": "videomae",
    "videomae_large": "videomae",
    "vjepa2_large": "vjepa2",
    "timesformer_base": "timesformer",
    "mvit_v2_s": "mvit_v2",
    "ast_audioset": "ast",
}
SHORT = 12  # digits of a digest that are printed
_SEED = re.compile(r"seed(\d+)/")


def add_arguments(add: Add) -> None:
    add("paths", type=Path, nargs="+", metavar="RESULT", help="_map.csv files and tables")
    add("--configfile", type=Path, help="YAML with the recipes and datasets of your own")


def cite(args: argparse.Namespace) -> None:
    catalog = own_catalog(args.configfile)
    keys: dict[str, None] = {}
    for path in args.paths:
        content = read_provenance(path)
        for found, about in headlines(path, content):
            print("\n".join(paragraph(found, about, catalog)), end="\n\n")
            keys |= dict.fromkeys(cited(found, catalog))
    entries = read_bibtex(ROOT / "workflow/reference/citations.bib")
    for key in dict.fromkeys([*keys, "wstal"]):
        if key in entries:
            print(entries[key], end="\n\n")


def headlines(path: Path, content: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yield the rows of each run in a result, with the provenance of its headline."""
    frame = read_frame(path)
    if not {"dataset", "recipe", "run", "reading"} <= set(frame.columns):
        raise WstalError(f"{path} is not a headline ({{run}}_map.csv) or a table of runs")
    inner = {
        entry["path"]: entry.get("provenance") for entry in content["inputs"].get("results", [])
    }
    frame = frame[frame["reading"].isin(("strict", "paper"))]
    for (dataset, run), rows in frame.groupby(["dataset", "run"], sort=False):
        about = next((inner[p] for p in inner if p.endswith(f"{dataset}/{run}_map.csv")), content)
        yield rows, about or {}


def paragraph(rows: Any, about: Mapping[str, Any], catalog: Catalog) -> list[str]:
    """Return the sentences about a run: what was trained, on what, how it was scored, numbers."""
    dataset, recipe, run = (rows[name].iloc[0] for name in ("dataset", "recipe", "run"))
    inputs = about.get("inputs", {})
    seeds = [_SEED.search(entry["path"]) for entry in inputs.get("seeds", [])]
    each = [entry.get("provenance", {}) for entry in inputs.get("seeds", [])]
    made = about.get("versions", {})
    lines = [
        f"{run} on {dataset}: trained with wstal {made.get('wstal', '?')}, "
        f"{_several('seed', [seed[1] for seed in seeds if seed])}{_codes(each)}.",
        f"Features: recipe {recipe}{_features(inputs)}, {_streams(recipe, catalog)}.",
    ]
    protocols = {p["name"]: p["sha256"] for one in each for p in one.get("protocols", [])}
    named = [f"{name} ({digest[:SHORT]})" for name, digest in protocols.items()]
    lines.append(f"Evaluation: {_several('protocol', named or sorted(set(rows['protocol'])))}.")
    lines += [f"  {line}" for line in _numbers(rows)]
    if notes := sorted({str(note) for note in rows.get("note", []) if note == note}):
        lines.append(f"Note: {'; '.join(notes)}.")
    used = (each[0].get("training", {}).get("versions") if each else None) or made
    lines.append("Versions: " + ", ".join(f"{name} {v}" for name, v in used.items()) + ".")
    return lines


def _codes(seeds: Iterable[Mapping[str, Any]]) -> str:
    training = {one["training"]["code"] for one in seeds if one.get("training", {}).get("code")}
    models = [
        e["sha256"][:SHORT] for one in seeds for e in one.get("inputs", {}).get("checkpoint", [])
    ]
    parts = [f"code {', '.join(sorted(training))}"] if training else []
    parts += [f"{_several('checkpoint', models)}"] if models else []
    return f" ({'; '.join(parts)})" if parts else ""


def _features(inputs: Mapping[str, Any]) -> str:
    found = [entry.get("recipe_digest", "") for entry in inputs.get("features", [])]
    return f" (digest {found[0][:SHORT]})" if found and found[0] else ""


def _streams(recipe: str, catalog: Catalog) -> str:
    about = catalog.features.get(recipe)
    if about is None:
        return "which is not in this configuration"
    return "streams " + ", ".join(f"{name} by {stage}" for name, stage in about["streams"].items())


def _numbers(rows: Any) -> Iterator[str]:
    """Yield the averages in each reading; the tables of papers have other columns."""
    mean, sd = ("ours_mean", "ours_sd") if "ours_mean" in rows.columns else ("mean", "sd")
    for row in rows.to_dict("records"):
        metric = str(row["metric"])
        if (":" in metric or "@" not in metric) and row[mean] == row[mean]:
            spread = f" ± {row[sd]:.2f}" if row[sd] == row[sd] else ""
            name = f"{row['reading']} reading, checkpoint {row['checkpoint']}, n = {row['n']:g}"
            yield f"{metric} = {row[mean]:z.2f}{spread} ({name}, coverage {row['coverage']})"


def _several(noun: str, names: list[str]) -> str:
    return f"{noun}{'s' * (len(names) != 1)} {', '.join(names) or 'unknown'}"


def cited(rows: Any, catalog: Catalog) -> list[str]:
    """Return the keys of what a run stands on: method, dataset, networks, flow."""
    dataset, recipe, run = (rows[name].iloc[0] for name in ("dataset", "recipe", "run"))
    method = split_run(run)[0]
    keys = [SAME_PAPER.get(method, method)]
    keys += ["untrimmednet"] if method == "acn" else []  # ACN starts from its scores
    if run in catalog.runs() and dataset in catalog.datasets:
        teachers = catalog.run_config(dataset, run).get("teachers") or ()
        keys += [split_run(teacher)[0] for teacher in teachers]
    keys.append(catalog.datasets.get(dataset, {}).get("kind", dataset))
    about = catalog.features.get(recipe, {})
    stages = about.get("streams", {}).values()
    keys += [SAME_PAPER.get(section, section) for section in map(section_of, stages)]
    keys += [str(name).lower() for name in about.get("networks", {}).values()]
    made = [stage for stage in stages if stage in (*STAGES, *backbone_names(about))]
    if "flow" in stages_before(made, about):
        keys.append(about["flow"]["algorithm"])
    return keys


def read_bibtex(path: Path) -> dict[str, str]:
    """Return the entries of a BibTeX file by their keys."""
    entries = re.finditer(r"^@\w+\{([^,]+),.*?^\}", read_text(path, "BibTeX"), re.M | re.S)
    return {entry[1]: entry[0] for entry in entries}


COMMAND = Program(__doc__, add_arguments, cite)
