"""Compare two runs by a paired bootstrap over videos, on a page or as CSV.

Prints the differences over all classes and for each class, with 95 % intervals. A run is
results/DATASET/RUN, its _map.csv, results/DATASET/RECIPE/RUN (all its seeds) or one seed. --page
writes one HTML file with the timelines of both runs below one another, video by video (first
seed, last iterate); name it after the runs, or leave the name out: it is then
results/DATASET/compare_A_vs_B.html. --output writes the differences over all classes as CSV.

The last iterates are compared (proposals.json; of events scores.h5), or the best on validation if
the files by iteration are there and validation videos are annotated. Nothing is chosen on test.
Files of other tools are compared with --ground-truth, --protocol, --a, --b and --output.

Examples:
  wstal compare results/mine/co2net results/mine/cavf --page
  wstal compare results/mine/co2net_map.csv results/mine/s3d/co2net --output compared.csv
  wstal compare --ground-truth results/demo/annotations.json --protocol demo \\
      --a co2net/seed?/proposals.json --b acn/seed?/proposals.json --names co2net acn \\
      --output compare_co2net_vs_acn.csv
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from wstal.commands.console import Add, Program, log, track, warn
from wstal.base.errors import WstalError
from wstal.base.files import write_frame, write_text
from wstal.commands.compared_files import add_compared, compare_files
from wstal.commands.finished_run import FinishedRun, find_run
from wstal.commands.scored_files import refuse_overwriting
from wstal.commands.view import rows_by_id
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.bootstrap import class_differences, compare, note_few_videos, read_strict_runs
from wstal.evaluate.detections import read_detections
from wstal.evaluate.events import read_score_grid
from wstal.evaluate.map_table import ALL, has_segments
from wstal.evaluate.protocols import Protocol
from wstal.localize.scores import read_scores
from wstal.viewer.content import SHOWN, Material, compared_content, sound_files
from wstal.viewer.page import viewer_page

DEFAULT_PAGE = Path()
FILES = ("ground_truth", "protocol", "a", "b", "output")  # needed where no run is named
Rows = list[dict[str, Any]]


def add_arguments(add: Add) -> None:
    add("runs", nargs="*", type=Path, metavar="RUN", help="two finished runs, A and B")
    add("--page", nargs="?", type=Path, const=DEFAULT_PAGE, help="write a page; its name")
    add("--videos", type=int, default=SHOWN, help=f"shown at most (default: {SHOWN})")
    add_compared(add, required=False)


def main(args: argparse.Namespace) -> None:
    if not args.runs:
        missing = [f"--{key.replace('_', '-')}" for key in FILES if getattr(args, key) is None]
        if missing or args.page is not None:
            raise WstalError(
                f"name two runs, or give files ({', '.join(missing) or 'which have no --page'})"
            )
        return compare_files(args)
    if len(args.runs) != 2:
        raise WstalError(f"{len(args.runs)} runs are named; name two, and --page after them")
    one, other = map(find_run, args.runs)
    read = [*args.runs, *one.files(), *other.files()]
    refuse_overwriting("--output", args.output, read)
    refuse_overwriting("--page", args.page, read)
    if one.dataset != other.dataset:
        raise WstalError(
            f"{one.folder} and {other.folder} are runs on different datasets; their videos "
            "cannot be compared"
        )
    names = args.names or _names(one, other)
    protocol = _protocol(args, one, other)
    rows, note = _differences(args, (one, other), names, protocol)
    _print(rows, names)
    if note:
        log(note)
    if args.page is not None:
        page = args.page
        if page == DEFAULT_PAGE:
            page = one.dataset / f"compare_{'_vs_'.join(names)}.html".replace("/", "_")
        _write_page(args, (one, other), names, protocol, rows, note, page)
        log(f"page: {page.absolute().as_uri()}")
    return None


def _names(one: FinishedRun, other: FinishedRun) -> tuple[str, str]:
    """Short names that differ: of the runs, else with the recipes, else with the seeds."""
    for name in (
        lambda run: run.name,
        lambda run: f"{run.recipe.name}/{run.name}",
        lambda run: f"{run.name}/{run.seeds[0].name}",
    ):
        if name(one) != name(other):
            return name(one), name(other)
    raise WstalError(f"{one.folder} is named twice; name two runs")


def _protocol(args: argparse.Namespace, *runs: FinishedRun) -> Protocol:
    source = args.protocol or runs[0].protocol
    for run in runs:
        protocol = fitting_protocol(source, read_score_grid(run.require("scores.h5")[0]))
    return protocol


def _usable(runs: Sequence[FinishedRun]) -> set[str]:
    both = [run.usable() for run in runs]
    return both[0] & both[1]


def _differences(
    args: argparse.Namespace,
    runs: Sequence[FinishedRun],
    names: Sequence[str],
    protocol: Protocol,
) -> tuple[Rows, str]:
    """The rows over all classes and of each class, and a note on all of them."""
    truth, usable = runs[0].truth, _usable(runs)
    if protocol.task == "detection" and not has_segments(truth, protocol):
        warn("no scored video has annotated segments: there are no differences to measure")
        return [], "no annotated segments"
    kinds = ("proposals.json", "proposals_by_iteration.json.gz")
    if protocol.task == "events":
        kinds = ("scores.h5", "scores_by_iteration.h5")
    histories = [run.of_seeds(kinds[1]) for run in runs]
    given = [
        (run.require(kinds[0]), history if all(histories) else [])
        for run, history in zip(runs, histories, strict=True)
    ]
    checkpoint, results = read_strict_runs(truth, protocol, usable, given, warn)
    drawn = {"resamples": args.resamples, "seed": args.seed}
    about = {"checkpoint": checkpoint, "names": names, "note": args.note or runs[0].note}
    table = compare(*results, protocol, **about, **drawn, track=track("bootstrap", "seed"))
    if args.output:
        write_frame(args.output, table)
    few = note_few_videos(len(results[0][0].videos))
    rows = table.assign(**{"class": ALL}).to_dict("records")
    rows += class_differences(*results, protocol, truth.classes, **drawn)
    for row in rows:
        row["note"] = "" if few or row["class"] == ALL else row["note"]
    seeds = ", ".join(f"{name} {len(run.seeds)}" for name, run in zip(names, runs, strict=True))
    note = f"Means over the seeds ({seeds}), checkpoint {checkpoint}, protocol {protocol.name}, "
    return rows, f"{note}{table['coverage'].iloc[0]}.{f' {few}.' if few else ''}"


def _print(rows: Rows, names: Sequence[str]) -> None:
    if not rows:
        return
    table = pd.DataFrame(rows)
    table = table[["class", "metric", "a_value", "b_value", "difference", "low", "high"]]
    table = table.rename(columns={"a_value": names[0], "b_value": names[1]})
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}", na_rep=""))


def _write_page(
    args: argparse.Namespace,
    runs: Sequence[FinishedRun],
    names: Sequence[str],
    protocol: Protocol,
    rows: Rows,
    note: str,
    page: Path,
) -> None:
    usable = _usable(runs)
    one, other = (
        _material(run, name, protocol, usable) for run, name in zip(runs, names, strict=True)
    )
    shown = [row for row in rows if row["class"] != ALL or ":" in row["metric"]] or rows
    root = runs[0].dataset.parents[1]
    about = {"note": note, "resamples": args.resamples if "no interval" not in note else 0}
    content = compared_content(one, other, page, root, shown, args.videos, track("viewer"), **about)
    write_text(page, viewer_page(content, " against ".join(names)))


def _material(run: FinishedRun, name: str, protocol: Protocol, usable: set[str]) -> Material:
    manifest = run.dataset / "manifest.csv"
    found = None
    if protocol.task == "detection":
        found = read_detections(run.require("proposals.json")[0])
    return Material(
        {**run.about(), "run": name, "note": run.note},
        run.truth,
        protocol,
        usable=usable,
        scores=read_scores(run.require("scores.h5")[0]),
        found=found,
        sounds=sound_files(sorted((run.recipe / "audio").glob("shard*.csv"))),
        manifest=rows_by_id(manifest if manifest.is_file() else None),
        coverage=rows_by_id(run.recipe / "coverage.csv"),
        measured=run.measured(),
    )


COMMAND = Program(__doc__, add_arguments, main)
