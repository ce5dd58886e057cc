"""Say what would run for a target, and because of what, without running it.

Examples:
  make why TARGET=results/demo/co2net_map.csv
  python scripts/why.py results/tables/co2net_table3.csv --configfile mine.yaml
"""

import argparse
import subprocess
import sys
from pathlib import Path

from wstal.commands.console import Add, Program
from wstal.config.why import dry_run_jobs, explain


def add_arguments(add: Add) -> None:
    add("target", nargs="?", default="all")


def main(args: argparse.Namespace) -> str | None:
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", args.target]
    command += args.options
    done = subprocess.run(command, cwd=root, text=True, capture_output=True)
    if done.returncode:
        return done.stdout + done.stderr  # of a dry run either may have the reason
    print(explain(dry_run_jobs(done.stdout + done.stderr)))
    return None


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, passes_on=True).run()
