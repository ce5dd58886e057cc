"""Say what would run for a target, and because of what, without running it.

Examples:
  make why TARGET=results/demo/co2net_map.csv
  python scripts/why.py results/tables/co2net_table3.csv --configfile mine.yaml
"""

import subprocess
import sys
from pathlib import Path

from cli import parser
from wstal.config.why import dry_run_jobs, explain


def main() -> None:
    """Parse, dry-run, explain."""
    arguments = parser(__doc__)
    arguments.add_argument("target", nargs="?", default="all")
    args, more = arguments.parse_known_args()
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", args.target, *more]
    done = subprocess.run(command, cwd=root, text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)  # of a dry run either may have the reason
    print(explain(dry_run_jobs(done.stdout + done.stderr)))


if __name__ == "__main__":
    main()
