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
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wstal.commands.console import ROOT, Add, Program
from wstal.commands.run import check_configfiles, from_checkout

HEADER = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):\Z")
DIGEST = re.compile(r"\b[0-9a-f]{16}\b")


@dataclass(frozen=True)
class Job:
    """A job of a dry run: its rule, its first output and Snakemake's reason."""

    rule: str
    output: str
    reason: str


def dry_run_jobs(text: str) -> list[Job]:
    """The jobs in the output of `snakemake --dry-run`, in its order."""
    jobs, rule, fields = [], None, {}
    for line in [*text.splitlines(), ""]:
        header = HEADER.match(line.strip())
        if rule and not line.startswith("    "):
            output = fields.get("output", "").split(", ")[0]
            jobs.append(Job(rule, output, _short(fields.get("reason", "it was asked for"))))
            rule = None
        if header:
            rule, fields = header[1], {}
        elif rule:
            key, _, value = line.strip().partition(": ")
            fields.setdefault(key, value)
    return jobs


def explain(jobs: Iterable[Job]) -> str:
    """One paragraph per rule and kind of reason, with the number of jobs and an example."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.rule, _kind(job.reason)), []).append(job)
    if not groups:
        return "Nothing would run: everything is up to date."
    lines = []
    for (rule, kind), same in groups.items():
        lines.append(f"{rule}: {len(same)} job{'s' * (len(same) > 1)}, {kind}")
        lines.append(f"    {same[0].output}")
        if same[0].reason != kind:
            lines.append(f"    {same[0].reason}")
    return "\n".join(lines)


def _kind(reason: str) -> str:
    if reason.startswith("Params have changed"):
        changed = DIGEST.search(reason) is not None and "{" not in reason
        return "because its code changed" if changed else "because its settings changed"
    if reason.startswith("Missing output"):
        return "because its output is not there"
    if "updated by another job" in reason and "Updated input" not in reason:
        return "because a job before it runs"
    if reason.startswith(("Updated input", "Set of input files")):
        return "because its input changed"
    return reason


def _short(reason: str, length: int = 300) -> str:
    return reason if len(reason) <= length else reason[:length] + " ..."


def add_arguments(add: Add) -> None:
    add("words", nargs="*", metavar="TARGET", help="a target; options of Snakemake")


def why(args: argparse.Namespace) -> str | None:
    words = from_checkout(args.words, Path.cwd()) or ["all"]
    check_configfiles(words)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", *words]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    text = done.stdout + done.stderr  # of a dry run either may have the reason
    if done.returncode:
        return text
    print(explain(dry_run_jobs(text)))
    return None


COMMAND = Program(__doc__, add_arguments, why, passes_on=True)
