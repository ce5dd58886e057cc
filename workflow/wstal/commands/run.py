"""Run Snakemake on this checkout, from any folder.

Targets in results/ are relative to the checkout, wherever you are. All cores are used unless you
say otherwise. Every option goes to Snakemake unchanged; a file of the current folder, such as
`--configfile mine.yaml`, is found there.

Examples:
  wstal run results/demo/co2net_map.csv
  wstal run demo --cores 4
  wstal run results/thumos14/co2net_map.csv --profile workflow/profiles/slurm
  wstal run results/tables/co2net_table3.csv --dry-run --configfile mine.yaml
"""

import argparse
import os
import sys
from pathlib import Path

from wstal.commands.console import ROOT, Add, Program
from wstal.commands.snakemake_words import from_checkout

LIMITS = ("--cores", "-c", "--jobs", "-j", "--profile", "--workflow-profile")


def add_arguments(add: Add) -> None:
    add("words", nargs="*", metavar="TARGET", help="targets; options of Snakemake")


def run(args: argparse.Namespace) -> None:
    """Become Snakemake: signals and the exit status are its own."""
    words = from_checkout(args.words, Path.cwd())
    limited = any(word.startswith(LIMITS) for word in words)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # Snakemake runs a job on each core
    os.chdir(ROOT)
    cores = [] if limited else ["--cores", "all"]
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *cores, *words])


COMMAND = Program(__doc__, add_arguments, run, passes_on=True)
