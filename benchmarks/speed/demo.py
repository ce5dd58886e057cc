"""Time the demo from a clean clone: the whole DAG, then a second run that finds nothing to do.

The clone uses this environment's packages, so the time does not include setting it up. Writes
benchmarks/results/demo.json with the averages, the baselines and the cost of each stage.

Examples:
  python -m benchmarks.speed.demo --cores 2
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from wstal.commands.runtime import stage_costs

from benchmarks.record import record_parser, write_record

ROOT = Path(__file__).resolve().parents[2]
METRIC = "mAP@0.1:0.7"


def timed(command: list[str], folder: Path) -> float:
    """Return the seconds that a command takes; raise if it fails."""
    start = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)
    return round(time.monotonic() - start, 1)


def strict_value(table: pd.DataFrame) -> float:
    """Return the mean over classes at the last iterate."""
    rows = (table["metric"] == METRIC) & (table["checkpoint"] == "last") & (table["class"] == "all")
    return round(float(table.loc[rows, "value"].iloc[0]), 2)


def main() -> None:
    """Clone the repository, run the demo twice and record the times."""
    parser = record_parser(__doc__, dry_run=False)
    parser.add_argument("--cores", type=int, default=2)
    cores = parser.parse_args().cores
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "wstal"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "demo"]
        first, second = timed(command, clone), timed(command, clone)
        table = pd.read_csv(clone / "results/demo/co2net_map.csv")
        paths = sorted(clone.glob("results/demo/demo_i3d/co2net/seed*/map.csv"))
        seeds = [strict_value(pd.read_csv(path)) for path in paths]
        costs = stage_costs(clone / "results/benchmarks/demo")
    shown = table[table["metric"] == METRIC]
    results = {
        "note": "demo data",
        "seconds": {"whole DAG": first, "second run": second},
        METRIC: [
            {key: row[key] for key in ("run", "reading", "mean", "sd", "n", "coverage")}
            for row in shown.astype(object).where(shown.notna(), None).to_dict("records")
        ],
        "strict per seed": seeds,
        "stages": costs.astype(object).where(costs.notna(), None).to_dict("records"),
    }
    print(f"wrote {write_record('demo', results, settings={'cores': cores})}")


if __name__ == "__main__":
    main()
