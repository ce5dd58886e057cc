"""Time the paired bootstrap on results of THUMOS14's size: two runs of three seeds each.

Examples:
  python -m benchmarks.speed.bootstrap
  python -m benchmarks.speed.bootstrap --predictions 5000 --resamples 100 --dry-run
"""

from __future__ import annotations

import resource
import time

import pandas as pd
from wstal.config.protocols import read_protocol
from wstal.evaluate.bootstrap import paired_bootstrap
from wstal.evaluate.ground_truth import Coverage
from wstal.evaluate.protocols import Prepared

from benchmarks.record import record_parser, write_record
from benchmarks.speed.evaluate import random_task


def results(truth: pd.DataFrame, predictions: int, share: float, seed: int) -> Prepared:
    """Return one seed's results: a share of all predictions, so that runs differ in recall."""
    found = random_task(predictions)[1].sample(frac=share, random_state=seed)
    videos = sorted({*truth["video_id"], *found["video_id"]})
    size = len(truth)
    return Prepared(
        truth, found, sorted(set(truth["label"])), videos, Coverage(213, 213, size, size)
    )


def main() -> None:
    """Time the bootstrap and record it."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--predictions", type=int, default=40_000)
    arguments.add_argument("--resamples", type=int, default=1000)
    args = arguments.parse_args()
    truth, _ = random_task(args.predictions)
    protocol = read_protocol("th14_212")
    a = [results(truth, args.predictions, 0.9, seed) for seed in range(3)]
    b = [results(truth, args.predictions, 0.7, seed) for seed in range(3)]
    start = time.perf_counter()
    rows = paired_bootstrap(a, b, protocol, resamples=args.resamples)
    seconds = time.perf_counter() - start
    record = {
        "seconds": round(seconds, 2),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(f"{args.resamples} resamples: {record}; {rows[-1]}")
    if not args.dry_run:
        settings = {
            "predictions": args.predictions,
            "resamples": args.resamples,
            "seeds": 3,
            "videos": len(a[0].videos),
            "tious": len(protocol.tious),
        }
        print(write_record("bootstrap", record, settings=settings, packages=("numpy", "pandas")))


if __name__ == "__main__":
    main()
