"""Record the results of a method's variants on a dataset: means over seeds and paired comparisons.

Reads what the workflow made: each seed's map.csv and {dataset}/compare_{run}_vs_{other}.csv.

Examples:
  snakemake --cores 2 results/tables/co2net_table3.on_demo.csv \\
      results/demo/compare_co2net_vs_co2net-loss_mil.csv
  python -m benchmarks.studies.variants --method co2net --dataset demo --metric mAP@0.1:0.7
  python -m benchmarks.studies.variants --method cavf --dataset demo_ave --metric accuracy
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from wstal.commands.runtime import stage_costs

from benchmarks.record import record_parser, write_record


def run_row(folder: Path, metric: str) -> dict[str, Any]:
    """Return mean, standard deviation and number of a run's seeds at the strict checkpoint."""
    tables = [pd.read_csv(path) for path in sorted(folder.glob("seed*/map.csv"))]
    tables = [t[(t["metric"] == metric) & (t["class"] == "all")] for t in tables]
    known = set(tables[0]["checkpoint"])
    strict = "best_val" if "best_val" in known else "last"  # as in wstal.evaluate.summary
    chosen = [table[table["checkpoint"] == strict].iloc[0] for table in tables]
    values = pd.Series([row["value"] for row in chosen])
    return plain(
        {
            "run": folder.name,
            "recipe": folder.parent.name,
            "n": len(values),
            "mean": values.mean(),
            "sd": values.std(),
            "coverage": chosen[0]["coverage"],
        }
    )


def comparison(path: Path, metric: str) -> dict[str, Any]:
    """Return the difference of two runs with its 95 % interval."""
    row = pd.read_csv(path).set_index("metric").loc[metric]
    return plain({key: row[key] for key in ("a", "b", "difference", "low", "high", "p")})


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return plain values for JSON, with None in place of NaN."""
    values = {
        key: getattr(value, "item", lambda value=value: value)() for key, value in row.items()
    }
    return {key: None if value != value else value for key, value in values.items()}


def main() -> None:
    """Collect the runs of a method and their comparisons, and record them."""
    parser = record_parser(__doc__, dry_run=False)
    parser.add_argument("--method", required=True)
    parser.add_argument("--beside", nargs="+", default=[], help="runs of other methods")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--metric", default="mAP@0.1:0.7")
    parser.add_argument("--results", type=Path, default=Path("results"))
    args = parser.parse_args()
    folder = args.results / args.dataset
    names = (f"{args.method}*", *args.beside)
    seeds = sorted(path for name in names for path in folder.glob(f"*/{name}/seed*/map.csv"))
    folders = dict.fromkeys(path.parent.parent for path in seeds)
    runs = [run_row(each, args.metric) for each in folders]
    own = {row["run"] for row in runs}
    compared = [comparison(p, args.metric) for p in sorted(folder.glob("compare_*.csv"))]
    timed = args.results / "benchmarks"
    costs = stage_costs(*(timed / each.relative_to(args.results) for each in folders))
    results = {
        "runs": sorted(runs, key=lambda row: -row["mean"]),
        "comparisons": [row for row in compared if {row["a"], row["b"]} <= own],
        "stages": [plain(row) for row in costs.to_dict("records")],
    }
    for row in results["runs"]:
        print(f"{row['run']:36} {row['mean']:.1f} ± {row['sd'] or 0:.1f} (n {row['n']})")
    name = f"{args.method}_{args.dataset}"
    settings = {"dataset": args.dataset, "metric": args.metric, "reading": "strict"}
    print(f"wrote {write_record(name, results, settings=settings)}")


if __name__ == "__main__":
    main()
