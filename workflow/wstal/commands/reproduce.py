"""Reproduce a paper's table step by step, with one report to send.

The steps run in this order, and the first one that is off stops the command with what it means:
weights    the recipe's weights are the published ones and give the published outputs
features   every video of the dataset through the recipe
golden     the features beside published ones (--published: a feature file or a folder of arrays)
training   every seed of the paper's run
table      the paper's table: paper, ours, difference; and the same results under every protocol
The report has each step with its figures. On a dataset that is not the paper's, such as the demo,
the numbers are not comparable and the report says so.

Examples:
  wstal reproduce co2net --dry-run
  wstal reproduce co2net --golden /data/golden --published results/thumos14/wtalc_i3d/features.h5
  wstal reproduce co2net --dataset demo
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wstal.commands.console import WEIGHTS, Add, Program, log
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.commands.run import snakemake
from wstal.config.catalog import Catalog, own_catalog
from wstal.config.installation import ROOT, work_folder
from wstal.config.layers import read_yaml

OK, OFF, SKIP = "ok", "off", "skipped"
TOLERANCE = 1.0  # points of mAP between paper and ours that count as reproduced, at least
ALIKE = 0.9  # median centred cosine with published features, from which they count as the same


@dataclass(frozen=True)
class Outcome:
    """What a step found: its status, figures in Markdown, and, if it is off, what that means."""

    status: str
    figures: str
    meaning: str = ""


@dataclass(frozen=True)
class Plan:
    """What is made: the paper's run on a dataset with a recipe, and the table that has it."""

    paper: str
    dataset: str
    recipe: str
    table: str  # the file below results/tables

    @property
    def comparable(self) -> bool:
        """Whether the table has the paper's numbers beside ours."""
        return ".on_" not in self.table

    def targets(self) -> dict[str, str]:
        """Return the file that each step asks the DAG for."""
        return {
            "features": f"results/{self.dataset}/{self.recipe}/features.h5",
            "training": f"results/{self.dataset}/{self.paper}_map.csv",
            "table": f"results/tables/{self.table}",
            "gap": f"results/{self.dataset}/{self.paper}_gap.md",
        }


def make_plan(catalog: Catalog, paper: str, dataset: str) -> Plan:
    """Return the plan for a paper; WstalError for an unknown paper or dataset."""
    if paper not in catalog.methods or not any(t.startswith(f"{paper}_") for t in catalog.tables):
        papers = sorted({name.partition("_table")[0] for name in catalog.tables})
        raise WstalError(f"paper {paper!r} is not known; known: {', '.join(papers)}")
    if dataset not in catalog.datasets:
        raise WstalError(f"dataset {dataset!r} is not known; known: {', '.join(catalog.datasets)}")
    tables = {name: table for name, table in catalog.tables.items() if table["method"] == paper}
    for name, table in tables.items():
        if any(row["dataset"] == dataset and row["run"] == paper for row in table["rows"]):
            return Plan(paper, dataset, catalog.datasets[dataset]["recipe"], f"{name}.csv")
    # Elsewhere: the table with the fewest runs that has the paper's own.
    fitting = {n: t for n, t in tables.items() if any(row["run"] == paper for row in t["rows"])}
    name = min(fitting, key=lambda n: len({row["run"] for row in fitting[n]["rows"]}))
    return Plan(paper, dataset, catalog.datasets[dataset]["recipe"], f"{name}.on_{dataset}.csv")


def add_arguments(add: Add) -> None:
    add("paper", help="co2net, acn, cavf or tssam")
    add("--dataset", default="thumos14", help="default: thumos14")
    add("--golden", type=Path, help="folder with the files that weights are verified with")
    add("--published", type=Path, help="published features of the dataset, to compare with")
    add("--cores", default="all", help="of the DAG's jobs (default: all)")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")
    add("--dry-run", action="store_true", help="print the steps and count their jobs")
    add("--output", type=Path, help="the report (default: results/reproduce/PAPER_on_DATASET.md)")


def reproduce(args: argparse.Namespace) -> int:
    """Run the steps, write the report; the exit status is 1 if one is off."""
    catalog = own_catalog(args.configfile)
    plan = make_plan(catalog, args.paper, args.dataset)
    if args.dry_run:
        return dry_run(plan, args)
    output = args.output or work_folder() / f"results/reproduce/{plan.paper}_on_{plan.dataset}.md"
    found: list[tuple[str, float, Outcome]] = []
    for name, step in steps(catalog, plan, args):
        log(f"{name} ...")
        start = time.monotonic()
        try:
            outcome = step()
        except (WstalError, OSError) as error:
            outcome = Outcome(OFF, str(error), "The step could not run; the message says why.")
        found.append((name, time.monotonic() - start, outcome))
        print(f"{name}: {outcome.status}", flush=True)
        write_report(output, plan, found)
        if outcome.status == OFF:
            print(f"{outcome.figures}\n{outcome.meaning}\nThe report so far: {output}")
            return 1
    print(f"The report: {output}")
    return 0


def steps(
    catalog: Catalog, plan: Plan, args: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """Yield the steps by name, in their order."""
    targets = plan.targets()
    recipe = catalog.features[plan.recipe]
    yield "weights", partial(check_weights, recipe, args.golden)
    yield "features", partial(run_features, targets["features"], args)
    yield "golden", partial(compare_published, work_folder() / targets["features"], args.published)
    yield "training", partial(run_training, targets["training"], plan, args)
    yield "table", partial(run_table, plan, args)


def dry_run(plan: Plan, args: argparse.Namespace) -> int:
    """Print what each step would do, with the jobs that the DAG would run for it."""
    from wstal.commands.why import dry_run_jobs

    print(f"{plan.paper} on {plan.dataset}, recipe {plan.recipe}")
    print("weights: wstal weights verify; the files are fetched first if they are missing")
    known: set[str] = set()
    for name, target in plan.targets().items():
        done = _snakemake(["--dry-run", "--", target], args, capture=True)
        if done.returncode:
            raise WstalError(
                f"{target} cannot be planned:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
            )
        jobs = {job.output for job in dry_run_jobs(done.stdout)} - known
        known |= jobs
        print(f"{name}: {target}, {len(jobs)} jobs that no earlier step runs")
        if name == "features":
            print(f"golden: compared with {args.published or 'nothing: give --published'}")
    return 0


def _snakemake(
    words: list[str], args: argparse.Namespace, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    options = ["--cores", str(args.cores)]
    if args.configfile:
        options += ["--configfile", str(args.configfile)]
    command, folder = snakemake([*options, *words])
    return subprocess.run(command, cwd=folder, text=True, capture_output=capture)


def _make(target: str, args: argparse.Namespace) -> None:
    """Make a file of the DAG; WstalError if that fails."""
    quiet = ["--quiet", "host", "rules", "reason", "--show-failed-logs", "--", target]
    if _snakemake(quiet, args).returncode:
        raise WstalError(f"{target} was not made; the messages of the failed job are above")


def check_weights(recipe: dict[str, Any], golden: Path | None) -> Outcome:
    """Check the identity of the recipe's weights, and what they give where that is published."""
    from wstal.config.dataset_files import weights_path
    from wstal.features.verify import FAIL, GoldenFiles, weight_checks, weights_in
    from wstal.networks.backbone import backbone_entries
    from wstal.networks.weights import fetch, read_sources, verify

    sources = read_sources(WEIGHTS / "sources.yaml")
    named = [*recipe.get("i3d", {}).get("weights", {}).values()]
    named += [recipe[s]["weights"] for s in ("vggish",) if s in recipe]
    named = [name for name in dict.fromkeys(named) if name in sources]
    lines, public = [], False
    for name in named:
        root = work_folder() if sources[name].url else ROOT
        path = root / weights_path(name, {key: vars(each) for key, each in sources.items()})
        if sources[name].url and not path.exists():
            fetch(sources[name], path)
        verify(path, sources[name])
        public |= bool(sources[name].url)
        lines.append(f"- {name}: {path.name}, the published file")
    if not public:
        return Outcome(OK, "\n".join([*lines, "- shipped weights: nothing published to verify"]))
    folder = work_folder() / "results/weights"
    files = GoldenFiles(read_yaml(WEIGHTS / "golden.yaml"), folder / "golden", golden)
    entries = backbone_entries(own_catalog().backbones)
    given = partial(weights_in, folder, sources)
    checks = list(weight_checks(files.golden, files, given, entries))
    lines += [f"- {check.status} {check.name}: {check.detail}" for check in checks]
    failed = any(check.status == FAIL for check in checks)
    meaning = "The weights do not give what their publishers got: no later number would mean much."
    return Outcome(OFF if failed else OK, "\n".join(lines), meaning if failed else "")


def run_features(target: str, args: argparse.Namespace) -> Outcome:
    """Make the features; off if videos are missing."""
    import pandas as pd

    _make(target, args)
    coverage = pd.read_csv(
        work_folder() / Path(target).with_name("coverage.csv"), dtype={"id": str}
    )
    lost = coverage[coverage["rows"] == 0]
    lines = [f"- {len(coverage) - len(lost)} of {len(coverage)} videos have features"]
    lines += [f"- {row.id}: {row.status}, {row.reason}" for row in lost.head(20).itertuples()]
    return Outcome(OK, "\n".join(lines))


def compare_published(ours: Path, published: Path | None) -> Outcome:
    """Compare the features with published ones; off if they are not alike."""
    from wstal.features.compare import compare_files, open_features, summarize_comparison

    if published is None:
        return Outcome(SKIP, "- no published features were given (--published)")
    with open_features(ours) as a, open_features(published) as b:
        rows = compare_files(a, b)
    figures = dict(summarize_comparison(rows))
    lines = [f"- {name}: {value}" for name, value in figures.items()]
    matches = [float(v.split()[0]) for name, v in figures.items() if name.startswith("match ")]
    if matches and min(matches) >= ALIKE:
        return Outcome(OK, "\n".join(lines))
    return Outcome(
        OFF,
        "\n".join(lines),
        "The features are not those that were published. The causes above name what differs; "
        "`wstal compare-features --video` looks for faults of the input.",
    )


def run_training(target: str, plan: Plan, args: argparse.Namespace) -> Outcome:
    """Train and evaluate every seed; off if a seed failed."""
    import pandas as pd

    _make(target, args)
    table = pd.read_csv(work_folder() / target, keep_default_na=False)
    own = table[table["run"] == plan.paper]
    lines = [
        f"- {row.reading}, {row.protocol}, {row.metric}: {row.mean} ± {row.sd}, n = {row.n}, "
        f"{row.coverage} {row.note}".rstrip()
        for row in own.itertuples()
    ]
    if own["note"].str.contains("fell behind").any():
        meaning = (
            "A seed reached less than half of the best one, so mean and sd do not describe the "
            "method. Its log.csv shows where the attention collapsed."
        )
        return Outcome(OFF, "\n".join(lines), meaning)
    return Outcome(OK, "\n".join(lines))


def run_table(plan: Plan, args: argparse.Namespace) -> Outcome:
    """Make the paper's table and the gap page; off if a number is not reproduced."""
    import pandas as pd

    targets = plan.targets()
    for name in ("table", "gap"):
        _make(targets[name], args)
    work = work_folder()
    table = pd.read_csv(work / targets["table"])
    return judge_table(plan, table, (work / targets["gap"]).read_text(encoding="utf-8"))


COUNTED = ("strict", "paper")  # best_test and best_seed choose on test: shown, but no evidence


def judge_table(plan: Plan, table: Any, gap: str) -> Outcome:
    """Return paper, ours and difference of the paper's run, and what explains it: the page `gap`.

    Skipped if the table shows no difference, as ours and the paper's features differ in kind.
    """
    own = table[(table["run"] == plan.paper) & (table["dataset"] == plan.dataset)]
    lines, gaps = ["| metric | reading | paper | ours | difference | |", "|---" * 6 + "|"], []
    for row in own.to_dict("records"):
        verdict = "not comparable"
        if plan.comparable and row["delta"] == row["delta"] and row["paper"] == row["paper"]:
            spread = 2 * row["ours_sd"] if row["ours_sd"] == row["ours_sd"] else 0
            near = abs(row["delta"]) <= max(TOLERANCE, spread)
            verdict = "reproduced" if near else "off"
            if row["reading"] in COUNTED:
                gaps.append((row["reading"], near))
        cells = [row["metric"], row["reading"]]
        cells += [_number(row[key]) for key in ("paper", "ours_mean", "delta")]
        lines.append(f"| {' | '.join(cells)} | {verdict} |")
    lines += ["", gap.replace("# ", "### ").strip()]
    if plan.comparable and not gaps:
        notes = dict.fromkeys(own["note"].dropna())
        return Outcome(
            SKIP, "\n".join([f"- no number is compared: {'; '.join(notes)}", "", *lines])
        )
    readings = {reading for reading, _ in gaps}
    if any(all(near for r, near in gaps if r == reading) for reading in readings) or not gaps:
        return Outcome(OK, "\n".join(lines))
    return Outcome(
        OFF,
        "\n".join(lines),
        f"Neither strict nor paper is within {TOLERANCE} point or two sd of the paper. Weights "
        "and features passed, so look at the method's open questions (docs/) and at the "
        "causes that the page above lists.",
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if value == value else ""


def write_report(path: Path, plan: Plan, found: list[tuple[str, float, Outcome]]) -> None:
    """Write the report of the steps so far."""
    head = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True, capture_output=True
    ).stdout.strip()
    blocks = [
        f"# {plan.paper} on {plan.dataset}",
        f"Recipe {plan.recipe}, commit {head or 'unknown'}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}.",
    ]
    if not plan.comparable:
        blocks.append("This is not a dataset of the paper: its numbers are not comparable.")
    for name, seconds, outcome in found:
        blocks += [f"## {name}: {outcome.status} ({seconds:.0f} s)", outcome.figures]
        blocks += [outcome.meaning] if outcome.meaning else []
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


COMMAND = Program(__doc__, add_arguments, reproduce)
