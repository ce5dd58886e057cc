"""Print what would run for a target, and because of which change.

Nothing is run. Options of Snakemake may follow the target. The target is `all` by default.

Examples:
  wstal why results/demo/co2net_map.csv
  wstal why results/tables/co2net_table3.csv --configfile mine.yaml
"""

import argparse
import subprocess
import sys
from pathlib import Path

from wstal.commands.console import ROOT, Add, Program
from wstal.commands.snakemake_words import from_checkout
from wstal.config.why import dry_run_jobs, explain


def add_arguments(add: Add) -> None:
    add("words", nargs="*", metavar="TARGET", help="a target; options of Snakemake")


def why(args: argparse.Namespace) -> str | None:
    words = from_checkout(args.words, Path.cwd()) or ["all"]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", *words]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    text = done.stdout + done.stderr  # of a dry run either may have the reason
    if done.returncode:
        return text
    print(explain(dry_run_jobs(text)))
    return None


COMMAND = Program(__doc__, add_arguments, why, passes_on=True)
