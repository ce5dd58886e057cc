"""Estimate what a target costs: time and disk by stage, memory, downloads.

Nothing is run. The machine is measured first: decoding, optical flow and the networks on a short
rendered clip, a few updates of each run. That is kept for this machine and version, so a second
plan takes seconds. Options of Snakemake may follow the target; --cores says how many jobs run at a
time.

Examples:
  wstal plan results/mine/co2net_map.csv
  wstal plan results/thumos14/co2net_map.csv --cores 8 --configfile mine.yaml
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from wstal.commands.console import Add, Program
from wstal.apply.calibration import SIZE, RecipeCost, recipe_cost, run_cost, start_cost
from wstal.base.device import lease
from wstal.base.files import read_cached, write_cached
from wstal.commands.watch import duration
from wstal.commands.why import Job, absent_weights, dry_run
from wstal.config import run_progress
from wstal.config.catalog import Catalog, load_catalog, own_config
from wstal.config.footage import Footage, dataset_footage
from wstal.config.installation import ROOT
from wstal.config.layers import merged, read_yaml
from wstal.config.missing import USUAL_SIZE, flow_bytes
from wstal.config.stages import STAGES, recipe_grid

ROW = 0.64  # s from row to row of features that are imported or simulated
TORCH = 4e8  # bytes of a process with torch
KEPT = 3  # times the weights: with the optimizer's two moments
LIGHT = ("probe", "frames", "audio")  # stages whose jobs import no torch
BESIDE_FLOW = ("audio", "vggish", "i3d_rgb")  # stages that other cores do meanwhile


@dataclass
class StageCost:
    """The jobs of a rule: how many, their seconds and those of the longest, and bytes."""

    rule: str
    jobs: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    bytes: float = 0.0
    notes: set[str] = field(default_factory=set)

    def add(self, seconds: float, bytes_: float = 0.0, note: str = "") -> None:
        """Take one more job."""
        self.jobs, self.seconds = self.jobs + 1, self.seconds + seconds
        self.longest, self.bytes = max(self.longest, seconds), self.bytes + bytes_
        self.notes |= {note} - {""}

    def take(self, other: StageCost) -> None:
        """Take the jobs of another rule."""
        self.jobs, self.seconds = self.jobs + other.jobs, self.seconds + other.seconds
        self.bytes += other.bytes


class Estimate:
    """What the jobs of a dry run cost in the current work folder, by measurements of this machine.

    A job of another kind takes as long as one did before (`durations`), or as its start.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        catalog: Catalog,
        durations: Mapping[str, float],
        device: torch.device,
    ) -> None:
        self.catalog, self.durations, self.device = catalog, durations, device
        self.jobs, self.memory = list(jobs), 0.0
        self.footage: dict[str, Footage] = {}
        self.stages: dict[str, StageCost] = {}
        self.expected: dict[str, float] = {}  # seconds of a job, by kind
        self.start = start_cost() if self.jobs else None
        for job in self.jobs:
            names = dict(pair.split("=", 1) for pair in job.wildcards.split(", ") if "=" in pair)
            seconds, bytes_, note = self._cost(job.rule, names)
            self.stages.setdefault(job.rule, StageCost(job.rule)).add(seconds, bytes_, note)
            self.expected[run_progress.job_kind(job.rule, names)] = seconds

    def _cost(self, rule: str, names: Mapping[str, str]) -> tuple[float, float, str]:
        """Return the seconds and the bytes of a job, and what its stage says of it."""
        other = names.get("backbone") or names.get("sound_backbone")
        name, kind = names.get("dataset", ""), other or rule.removesuffix("_streamed")
        is_stage = kind in STAGES or other is not None
        if name in self.catalog.datasets and (is_stage or kind in ("train", "score")):
            recipe = names.get("recipe") or self.catalog.datasets[name]["recipe"]
            if is_stage:
                return self._stage(kind, name, recipe)
            return self._run(kind, name, names["run"], recipe)
        known = self.durations.get(run_progress.job_kind(rule, names))
        return self.start.light if known is None else known, 0.0, ""

    def _stage(self, stage: str, name: str, recipe: str) -> tuple[float, float, str]:
        cost, shards = self._recipe(name, recipe), self.catalog.datasets[name]["shards"]
        footage = self._footage(name)
        video = footage.total / shards
        start = self.start.light if stage in LIGHT else self.start.heavy
        seconds = start + cost.setup.get(stage, 0.0) + cost.stages.get(stage, 0.0) * video
        seconds += cost.videos.get(stage, 0.0) * footage.count / shards
        about = self.catalog.features[recipe]
        if stage == "flow":
            return seconds, flow_bytes(video, footage.size or USUAL_SIZE, about), ""
        width = sum(cost.dims[s] for s, made in about["streams"].items() if made == stage)
        return seconds, 2 * 4 * width * video / self._step(recipe), ""  # packed once more

    def _run(self, rule: str, name: str, run: str, recipe: str) -> tuple[float, float, str]:
        config = self.catalog.run_config(name, run, recipe)
        footage, dims = self._footage(name), self._recipe(name, recipe).dims
        dims = {stream: dims[stream] for stream in config["streams"]}
        count, seconds = footage.of("train")
        step = self._step(recipe)
        typical = max(round(seconds / max(count, 1) / step), 1)
        cost = run_cost(config, dims, footage.classes, typical, self.device)
        scored = footage.of("val", "test")[1] / step  # rows
        start = self.start.heavy + cost.setup
        if rule == "score":
            return start + scored * cost.row, 0.0, ""
        train, epoch = config["train"], -(-count // config["data"]["batch"])
        updates = train["iterations"] or train["epochs"] * epoch
        scorings = -(-updates // (train["score_interval"] * (1 if train["iterations"] else epoch)))
        rows = seconds / step * sum(dims.values()) * 4  # bytes: all of them in memory
        self.memory = max(self.memory, 2 * rows + 4 * cost.weights + TORCH)
        kept = KEPT * cost.weights + scorings * scored * 4 * (footage.classes + 2)
        spent = start + updates * cost.update + scorings * scored * cost.row
        return spent, kept, f"{updates} updates of {cost.update:.3f} s"

    def _step(self, recipe: str) -> float:
        """Return the seconds from row to row; ROW where rows are not made here."""
        about = self.catalog.features[recipe]
        made = not (about.get("simulated") or "import" in about)
        return recipe_grid(about).rows.step if made else ROW

    def _footage(self, name: str) -> Footage:
        if name not in self.footage:
            self.footage[name] = dataset_footage(name, self.catalog.datasets[name])
        return self.footage[name]

    def _recipe(self, name: str, recipe: str) -> RecipeCost:
        """Return what a recipe costs; of one that takes no videos, the widths alone."""
        about = self.catalog.features[recipe]
        if about.get("simulated") or "import" in about:
            return RecipeCost({}, {}, {}, (about.get("simulated") or about["import"])["dims"], 0.0)
        cost = recipe_cost(about, self.device, self._footage(name).size or SIZE)
        self.memory = max(self.memory, cost.memory)
        return cost

    def seconds(self, cores: int) -> float:
        """Return how long all jobs take, `cores` of them at a time."""
        work = sum(stage.seconds for stage in self.stages.values())
        skipped = BESIDE_FLOW if "flow" in self.stages else ()
        chain = sum(stage.longest for rule, stage in self.stages.items() if rule not in skipped)
        return max(work / cores, chain)


def lines(estimate: Estimate, cores: int) -> Iterator[str]:
    """Yield the whole plan: what there is, then a line for each stage, the longest first."""
    yield headline(estimate, cores)
    for name, footage in estimate.footage.items():
        length = duration(footage.total)
        yield f"{name}: {footage.count} videos, {length} of video ({footage.source})"
    shown = [each for each in estimate.stages.values() if each.seconds >= 5 or each.bytes >= 1e6]
    others = StageCost("others")
    for each in estimate.stages.values():
        if each not in shown:
            others.take(each)
    shown.sort(key=lambda each: -each.seconds)
    width = max(len(each.rule) for each in [*shown, others])
    for each in [*shown, others] if others.jobs else shown:
        disk = size(each.bytes) if each.bytes >= 1e6 else ""
        text = f"  {each.rule:{width}}  {each.jobs:4}  {duration(each.seconds):>10}  {disk:>8}"
        yield f"{text}  {'; '.join(sorted(each.notes))}".rstrip()


def headline(estimate: Estimate, cores: int) -> str:
    """Return the plan in one line."""
    count = len(estimate.jobs)
    if not count:
        return "Nothing would run: everything is up to date."
    spent = sum(stage.bytes for stage in estimate.stages.values())
    where = "CPU" if estimate.device.type == "cpu" else torch.cuda.get_device_name(estimate.device)
    time = f"about {duration(estimate.seconds(cores))} on {cores} core{'s' * (cores > 1)} ({where})"
    memory = f", up to {size(estimate.memory)} of memory a job" if estimate.memory else ""
    return f"{count} job{'s' * (count > 1)}: {time}, {size(spent)} of disk{memory}"


def size(bytes_: float) -> str:
    """Return `12 MB` or `3.4 GB`."""
    return f"{bytes_ / 1e9:.1f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.0f} MB"


def kept_stages(jobs: Iterable[Job], names: Iterable[str], folder: Path) -> Iterator[str]:
    """Yield what of the videos' stages is kept: shards that are there and do not run."""
    runs = Counter(job.rule for job in jobs)
    for name in names:
        there = Counter(
            path.parent.name for path in (folder / f"results/{name}").glob("*/*/shard*.csv")
        )
        kept = {stage: n - runs[stage] for stage, n in there.items() if n > runs[stage]}
        if kept:
            yield f"{name}: kept {', '.join(f'{stage} ({n} shards)' for stage, n in kept.items())}"


def add_arguments(add: Add) -> None:
    add("words", nargs="*", metavar="TARGET", help="a target; options of Snakemake")


def plan(args: argparse.Namespace) -> str | None:
    jobs, folder, refused = dry_run(args.words)
    if refused:
        return refused
    catalog, cores = _asked(args.words, folder)
    os.chdir(folder)
    torch.set_num_threads(1)  # as in jobs
    kept = folder / run_progress.FOLDER
    with lease(catalog.top["device"]) as device:
        known = read_cached(kept / run_progress.DURATIONS) or {}
        estimate = Estimate(jobs, catalog, known, device)
    write_cached(kept / run_progress.EXPECTED, estimate.expected)
    for line in [*lines(estimate, cores), *kept_stages(jobs, estimate.footage, folder)]:
        print(line)
    if text := absent_weights(jobs):
        print(text)
    return None


def _asked(words: list[str], folder: Path) -> tuple[Catalog, int]:
    """Return the configuration that the options of Snakemake give, and how many jobs at once."""
    command = [sys.executable, "-c", OPTIONS, *words]
    found = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    paths, given, cores = json.loads(found)
    config = merged(own_config(folder), *(read_yaml(Path(path)) for path in paths), given)
    cores = cores if isinstance(cores, int) else os.cpu_count() or 1
    return load_catalog(config, ROOT / "workflow/config", folder / ".snakemake/wstal"), cores


# How Snakemake reads its options, in a process of its own: nothing here imports it.
OPTIONS = """
import json, sys
from snakemake.cli import get_argument_parser, parse_config
given = get_argument_parser().parse_args(sys.argv[1:])
files = [str(path) for path in given.configfile or []]
print(json.dumps([files, parse_config(given.config or []), given.cores]))
"""

COMMAND = Program(__doc__, add_arguments, plan, passes_on=True)
