"""Measure what each evaluation convention alone changes on THUMOS14's annotations.

Detections are made from the ground truth (ends up to one snippet off, as many false alarms as
hits), and the same detections are scored under every protocol of the project. Nothing here is a
result of a method: it shows how far apart two papers can be that scored the same detections.

Examples:
  python -m benchmarks.studies.protocols --ground-truth thumos14.json --ambiguous Ambiguous_test.txt
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from wstal.config.protocols import protocol_names, read_protocol
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth
from wstal.evaluate.protocols import prepare
from wstal.evaluate.summary import make_ledger

from benchmarks.record import record_parser, write_record

STEP = 16 / 25  # seconds in a snippet


def noisy_detector(truth: GroundTruth, seed: int = 0) -> pd.DataFrame:
    """Return detections on whole snippets, as snippet-level methods produce them.

    Each instance is detected with ends up to one snippet off. There are as many false alarms, of
    the video's own classes and anywhere in it. The scores of both overlap.
    """
    rng = np.random.default_rng(seed)
    real = truth.segments(truth.ids(["test"]))
    times = real[["t_start", "t_end"]].to_numpy() / STEP + rng.uniform(-1, 1, (len(real), 2))
    start, end = np.rint(times[:, 0]).clip(0), np.rint(times[:, 1])
    hits = real.assign(t_start=start * STEP, t_end=np.maximum(end, start + 1) * STEP)
    hits = hits.assign(score=rng.normal(1, 1, len(real)))
    length = (hits["t_end"] - hits["t_start"]).to_numpy()
    room = real["video_id"].map(truth.duration).to_numpy(float)
    begin = np.rint(rng.uniform(0, 1, len(real)) * (room - length).clip(0) / STEP) * STEP
    alarms = hits.assign(t_start=begin, t_end=begin + length, score=rng.normal(0, 1, len(real)))
    return pd.concat([hits, alarms], ignore_index=True)


def main() -> None:
    """Score the detections under every protocol and record the differences."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--ground-truth", type=Path, required=True)
    arguments.add_argument("--ambiguous", type=Path, required=True)
    args = arguments.parse_args()
    truth = read_ground_truth(args.ground_truth).with_ambiguous(args.ambiguous)
    names = sorted(n for n in protocol_names() if n.startswith("th14_") and "missing" not in n)
    names.sort(key=lambda name: name != "th14_212")  # the reference first
    protocols = [read_protocol(name) for name in names]
    found = noisy_detector(truth)
    table = make_ledger(truth, protocols, [(found, {})], None)
    table = table[table["metric"].isin(["mAP@0.50", "mAP@0.1:0.5", "mAP@0.1:0.7", "mAP@0.1:0.9"])]
    exact = prepare(truth, found, protocols[0]).ground_truth
    snippets = prepare(truth, found, read_protocol("th14_212_snippets")).ground_truth
    e, s = exact[["t_start", "t_end"]].to_numpy() / STEP, snippets[["t_start", "t_end"]].to_numpy()
    shared = (np.minimum(e[:, 1], s[:, 1]) - np.maximum(e[:, 0], s[:, 0])).clip(0)
    overlap = shared / (np.diff(e).ravel() + np.diff(s).ravel() - shared)
    results = {
        "instances": len(e),
        "below_tiou_0.9_with_themselves_once_rounded_percent": round(
            100 * (overlap < 0.9).mean(), 2
        ),
        "rounded_to_nothing": int((s[:, 0] == s[:, 1]).sum()),
        "detector": table[["protocol", "metric", "mean", "difference", "gt"]].to_dict("records"),
    }
    print(table.pivot(index="protocol", columns="metric", values="difference").round(2))
    print({key: value for key, value in results.items() if key != "detector"})
    if not args.dry_run:
        settings = {"ground_truth": args.ground_truth.name, "ambiguous": args.ambiguous.name}
        print(write_record("protocols", results, settings=settings, packages=("numpy", "pandas")))


if __name__ == "__main__":
    main()
