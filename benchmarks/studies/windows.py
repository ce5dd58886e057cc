"""Measure what a denser row of features changes: mAP, and the error of boundaries in seconds.

Trains the seeds of a run on each recipe's features in this process, with the settings that the
configuration has for the recipe, and scores the last iterate of the test videos. Recipes must
differ in their rows only; `data.length_seconds` keeps what a training sequence spans.

The error of an instance is the mean of how far its start and its end are from those of the best
scored detection of its class with a tIoU of at least 0.5. `error` is its mean over the instances
that a seed detects so, `error_of_both` over those that all recipes detect with that seed.
`error_of_grid` is what is left if each boundary were at the nearest border of a row.

Examples:
  snakemake --cores 2 results/demo/annotations.json results/demo/demo_i3d/features.h5 \\
      results/demo/demo_i3d_stride4/features.h5
  python -m benchmarks.studies.windows --seeds 5
  python -m benchmarks.studies.windows --seeds 1 --dry-run
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from wstal.config.catalog import load_catalog
from wstal.config.protocols import read_protocol
from wstal.datasets.annotations import read_annotations
from wstal.evaluate.detections import read_detections
from wstal.evaluate.ground_truth import read_ground_truth, read_usable
from wstal.features.pack import FeatureFile

from benchmarks.record import record_parser, write_record
from benchmarks.studies.seeds import Study, summary
from benchmarks.studies.variants import plain

TIOU = 0.5  # from here on a detection is one of the instance


def boundary_errors(truth: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    """Return the error of each instance in seconds, NaN where it is not detected: `[G]`."""
    errors = np.full(len(truth), np.nan)
    for place, instance in enumerate(truth.itertuples()):
        of = found[(found["video_id"] == instance.video_id) & (found["label"] == instance.label)]
        start, end = of["t_start"].to_numpy(), of["t_end"].to_numpy()
        inter = np.minimum(end, instance.t_end) - np.maximum(start, instance.t_start)
        union = np.maximum(end, instance.t_end) - np.minimum(start, instance.t_start)
        good = np.flatnonzero(inter / union >= TIOU)
        if len(good):
            best = good[of["score"].to_numpy()[good].argmax()]
            off = abs(start[best] - instance.t_start) + abs(end[best] - instance.t_end)
            errors[place] = off / 2
    return errors


def grid_errors(truth: pd.DataFrame, t0: float, step: float) -> np.ndarray:
    """Return how far the boundaries of each instance are from borders of rows, seconds: `[G]`."""
    times = (truth[["t_start", "t_end"]].to_numpy(float) - t0) / step
    return (np.abs(times - np.rint(times).clip(0)) * step).mean(1)


def rounded(value: float) -> float:
    """Return seconds to a millisecond."""
    return round(float(value), 3)


def described(study: Study, folders: Sequence[Path], errors: Sequence[np.ndarray]) -> dict:
    """Return the metric of a recipe's seeds, and its errors."""
    found = summary([study.row(folder) for folder in folders])
    found["error"] = [rounded(np.nanmean(each)) for each in errors]
    found["detected"] = [int(np.isfinite(each).sum()) for each in errors]
    return found


def main() -> None:
    """Train and compare the recipes; write the record."""
    parser = record_parser(__doc__)
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--recipes", nargs="+", default=["demo_i3d", "demo_i3d_stride4"])
    parser.add_argument("--run", default="co2net")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N - 1 (default 5)")
    parser.add_argument("--metric", default="mAP@0.1:0.7")
    parser.add_argument("--folder", type=Path, default=Path("results/seeds"), help="to train in")
    args = parser.parse_args()
    catalog, folder = load_catalog(), Path("results") / args.dataset
    truth = read_ground_truth(folder / "annotations.json")
    protocol = read_protocol(catalog.datasets[args.dataset]["protocol"]).on_subset("test")
    tested = [video for video, subset in truth.subset.items() if subset == "test"]
    segments = truth.segments(tested).reset_index(drop=True)
    results: dict[str, Any] = {}
    all_errors: dict[str, list[np.ndarray]] = {}
    for recipe in args.recipes:
        usable = read_usable(folder / recipe / "coverage.csv", tested)
        with FeatureFile(folder / recipe / "features.h5") as features:
            study = Study(
                *(catalog, args.dataset, features, read_annotations(folder / "annotations.json")),
                *(truth, usable, protocol, args.metric),
                args.folder / args.dataset / recipe,
                recipe,
            )
            folders = [study.seed(args.run, seed) for seed in range(args.seeds)]
            found = [read_detections(each / "proposals.json") for each in folders]
            all_errors[recipe] = [boundary_errors(segments, each) for each in found]
            t0, step = float(features.attrs["t0"]), float(features.attrs["step"])
            scored = segments[segments["video_id"].isin(usable)]
            results[recipe] = described(study, folders, all_errors[recipe]) | {
                "step": rounded(step),
                "t0": rounded(t0),
                "instances": len(scored),
                "error_of_grid": rounded(grid_errors(scored, t0, step).mean()),
                "length_seconds": catalog.run_config(args.dataset, args.run, recipe)["data"].get(
                    "length_seconds"
                ),
            }
    for recipe, errors in all_errors.items():
        in_all = [
            np.isfinite(np.stack(each)).all(0) for each in zip(*all_errors.values(), strict=True)
        ]
        both = [each[detected] for each, detected in zip(errors, in_all, strict=True)]
        results[recipe]["error_of_both"] = [rounded(each.mean()) for each in both]
        results[recipe]["mean_error"] = rounded(np.nanmean(np.concatenate(errors)))
        results[recipe]["mean_error_of_both"] = rounded(np.concatenate(both).mean())
        print(recipe, {k: v for k, v in results[recipe].items() if k != "seeds"}, flush=True)
    if not args.dry_run:
        settings = {"dataset": args.dataset, "run": args.run, "metric": args.metric, "tiou": TIOU}
        write_record("windows", plain(results), settings=settings)


if __name__ == "__main__":
    main()
