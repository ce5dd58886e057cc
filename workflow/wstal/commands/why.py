"""Print what would run for a target, and because of which change.

Nothing is run. Options of Snakemake may follow the target. The target is `all` by default.

Examples:
  wstal why results/demo/co2net_map.csv
  wstal why results/tables/co2net_table3.csv --configfile mine.yaml
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program
from wstal.base.code_digest import code_digest
from wstal.base.files import read_cached
from wstal.commands.run import check_configfiles, snakemake
from wstal.commands.watch import duration
from wstal.config import missing, run_progress
from wstal.config.catalog import CACHE
from wstal.config.installation import ROOT
from wstal.config.layers import read_yaml
from wstal.config.stages import stage_code

HEADER = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):\Z")
DIGEST = re.compile(r"\b[0-9a-f]{16}\b")


@dataclass(frozen=True)
class Job:
    """A job of a dry run: its rule, its first output, Snakemake's reason and its wildcards."""

    rule: str
    output: str
    reason: str
    wildcards: str = ""  # as Snakemake writes them: `dataset=demo, seed=0`


def dry_run_jobs(text: str) -> list[Job]:
    """The jobs in the output of `snakemake --dry-run`, in its order."""
    jobs, rule, fields = [], None, {}
    for line in [*text.splitlines(), ""]:
        header = HEADER.match(line.strip())
        if rule and not line.startswith("    "):
            output = fields.get("output", "").split(", ")[0]
            reason = fields.get("reason", "it was asked for")
            jobs.append(Job(rule, output, reason, fields.get("wildcards", "")))
            rule = None
        if header:
            rule, fields = header[1], {}
        elif rule:
            key, _, value = line.strip().partition(": ")
            fields.setdefault(key, value)
    return jobs


def explain(jobs: Iterable[Job], codes: Mapping[str, str] | None = None) -> str:
    """One paragraph per cause: its rules, with the number of jobs, an example and its reason.

    What follows from other jobs comes last. `codes` are those of `listing_codes`.
    """
    causes: dict[str, dict[str, list[Job]]] = {}
    for job in jobs:
        causes.setdefault(_kind(job, codes or {}), {}).setdefault(job.rule, []).append(job)
    if not causes:
        return "Nothing would run: everything is up to date."
    lines = []
    for cause in sorted(causes, key=lambda cause: (cause == FOLLOWS, cause == ABSENT)):
        rules = causes[cause]
        count = sum(map(len, rules.values()))
        lines.append(f"{count} job{'s' * (count > 1)} {cause}:")
        width = max(map(len, rules))
        for rule, same in rules.items():
            lines.append(f"    {rule:{width}}  {len(same):4}  {same[0].output}")
            if cause not in (FOLLOWS, ABSENT, _short(same[0].reason)):
                lines.append(f"          {_short(same[0].reason)}")
    return "\n".join(lines)


def cost(jobs: Iterable[Job], durations: Mapping[str, float]) -> str:
    """Return how long the jobs took in earlier runs of this folder, one after the other; or ""."""
    known, unknown = 0.0, set()
    for job in jobs:
        names = dict(pair.split("=", 1) for pair in job.wildcards.split(", ") if "=" in pair)
        kind = run_progress.job_kind(job.rule, names)
        if kind in durations:
            known += durations[kind]
        else:
            unknown.add(job.rule)
    if not known:
        return ""
    rest = f", without {', '.join(sorted(unknown))}" if unknown else ""
    return f"As long as earlier runs took: {duration(known)} of jobs{rest}."


CODE = "because the code changed"
ABSENT = "because the output is not there"
FOLLOWS = "because a job before it runs"


# Rules that have, beside the digest of their code, digests of what a folder or label files contain:
# what these are of, and the script (None: a stage).
LISTING = {
    "labels": ("labels", "list_videos"),
    "annotations": ("labels", "annotate"),
    "probe": ("videos", None),
    "import_features": ("features", "import_features"),
}


def listing_codes(jobs: Iterable[Job], cache: Path | None = None) -> dict[str, str]:
    """Return the digest of the code of each rule of LISTING that jobs are of."""
    codes, package = {}, ROOT / "workflow/wstal"
    for rule in {job.rule for job in jobs} & LISTING.keys():
        if script := LISTING[rule][1]:
            codes[rule] = code_digest(ROOT / f"scripts/{script}.py", package, (), cache)
        else:
            codes[rule] = stage_code(rule, ROOT, {}, cache)
    return codes


def _kind(job: Job, codes: Mapping[str, str]) -> str:
    reason = job.reason
    if reason.startswith("Code has changed"):  # the shell line of the rule
        return CODE
    if reason.startswith("Params have changed"):
        if DIGEST.search(reason) is None or "{" in reason:
            return "because the settings changed"
        if job.rule in codes and codes[job.rule] not in reason.partition(" now: ")[2]:
            return f"because the {LISTING[job.rule][0]} changed"
        return CODE
    if reason.startswith("Missing output"):
        return ABSENT
    if "updated by another job" in reason and "Updated input" not in reason:
        return FOLLOWS
    if reason.startswith(("Updated input", "Set of input files")):
        return "because the input changed"
    return _short(reason)


def _short(reason: str, length: int = 300) -> str:
    return reason if len(reason) <= length else reason[:length] + " ..."


def add_arguments(add: Add) -> None:
    add("words", nargs="*", metavar="TARGET", help="a target; options of Snakemake")


def why(args: argparse.Namespace) -> str | None:
    jobs, folder, refused = dry_run(args.words)
    if refused:
        return refused
    cache = folder / CACHE
    print(explain(jobs, listing_codes(jobs, cache / "code.json" if cache.is_dir() else None)))
    if line := cost(jobs, read_cached(folder / run_progress.FOLDER / run_progress.DURATIONS) or {}):
        print(line)
    if text := absent_weights(jobs):
        print(text)
    return None


def dry_run(words: list[str]) -> tuple[list[Job], Path, str]:
    """Return the jobs that would run for targets, the working folder, and Snakemake's refusal."""
    check_configfiles(words)
    command, folder = snakemake(["--dry-run", "--cores", "1", *(words or ["all"])])
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    text = done.stdout + done.stderr  # of a dry run either may have the reason
    return ([], folder, text) if done.returncode else (dry_run_jobs(text), folder, "")


def absent_weights(jobs: Iterable[Job]) -> str:
    """Return the page of the weights that the jobs would fetch, or nothing."""
    sources, terms = (read_yaml(WEIGHTS / name) for name in ("sources.yaml", "terms.yaml"))
    return missing.weights_page(
        [job.output for job in jobs if job.rule == "fetch_weights"], sources, terms
    )


COMMAND = Program(__doc__, add_arguments, why, passes_on=True)
