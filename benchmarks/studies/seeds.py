"""Measure what the seed alone changes: mAP and attention within the test videos' actions.

A training fails if its attention sinks to 0 (nothing is detected) or is inverted (the background
is detected). The last iterate is scored. The times of actions serve to describe what happened;
nothing is chosen by them.

Examples:
  snakemake --cores 2 results/demo/co2net_map.csv \\
      --config 'datasets={demo: {seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}}'
  python -m benchmarks.studies.seeds --dataset demo --recipe demo_i3d --runs co2net
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from wstal.datasets.annotations import read_annotations
from wstal.localize.scores import Scores, read_scores

from benchmarks.record import record_parser, write_record
from benchmarks.studies.variants import plain

LOW = 0.1  # below this, attention finds nothing


def within_actions(scores: Scores, truth: pd.DataFrame, video: str) -> np.ndarray:
    """Return whether the middle of each snippet lies within an action: bool [T]."""
    middle = scores.t0 + scores.step * (np.arange(len(scores.videos[video].attention)) + 0.5)
    segments = truth[truth["video_id"] == video][["t_start", "t_end"]].to_numpy()
    return ((middle[:, None] >= segments[:, 0]) & (middle[:, None] < segments[:, 1])).any(1)


def attention(scores: Scores, truth: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return mean attention within and outside actions, fused and of each stream."""
    inside = np.concatenate([within_actions(scores, truth, video) for video in scores.videos])
    parts = [{"all": v.attention} | v.attentions for v in scores.videos.values()]
    means = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        means[name] = {"within": values[inside].mean(), "outside": values[~inside].mean()}
    return {name: {k: round(float(v), 3) for k, v in each.items()} for name, each in means.items()}


def seed_row(folder: Path, truth: pd.DataFrame, metric: str) -> dict[str, Any]:
    """Return a seed's mAP at the last iterate, its attention and the kind of its failure."""
    table = pd.read_csv(folder / "map.csv")
    table = table[(table["metric"] == metric) & (table["class"] == "all")]
    value = table[table["checkpoint"] == "last"]["value"].item()
    means = attention(read_scores(folder / "scores.h5"), truth)
    streams = [name for name in means if name != "all"]
    sunk = [n for n in streams if max(means[n].values()) < LOW]
    inverted = means["all"]["within"] < LOW < means["all"]["outside"]
    seed = int(folder.name.removeprefix("seed"))
    return plain({"seed": seed, "value": value, "inverted": inverted}) | {
        "sunk": sunk,
        "attention": means,
    }


def main() -> None:
    """Collect the seeds of each run, print and record them."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--dataset", default="demo")
    arguments.add_argument("--recipe", default="demo_i3d")
    arguments.add_argument("--runs", nargs="+", required=True)
    arguments.add_argument("--metric", default="mAP@0.1:0.7")
    args = arguments.parse_args()
    folder = Path("results") / args.dataset
    truth = read_annotations(folder / "annotations.json").ground_truth("test")
    results = {}
    for run in args.runs:
        folders = (folder / args.recipe / run).glob("seed*/map.csv")
        rows = [seed_row(path.parent, truth, args.metric) for path in folders]
        rows.sort(key=lambda row: row["seed"])
        values = pd.Series([row["value"] for row in rows])
        results[run] = plain(
            {"n": len(rows), "mean": values.mean(), "sd": values.std(), "median": values.median()}
        )
        results[run] |= {
            "inverted": sum(row["inverted"] for row in rows),
            "sunk": sum(bool(row["sunk"]) for row in rows),
            "seeds": rows,
        }
        print(f"{run}: " + ", ".join(f"{k} {v}" for k, v in results[run].items() if k != "seeds"))
        print("   ", *(f"{row['value']:.1f}" for row in rows))
    if not args.dry_run:
        settings = {"dataset": args.dataset, "recipe": args.recipe, "metric": args.metric}
        print(write_record(f"seeds_{args.dataset}", results, settings=settings))


if __name__ == "__main__":
    main()
