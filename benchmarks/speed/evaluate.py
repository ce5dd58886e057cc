"""Time detection_map against two loops over predictions, in turns, in one process.

`ratio_lean_loop` compares with a loop over plain numbers and dicts, about as fast as pure Python
can be: this is the gain of vectorising. `ratio_pandas_loop` compares with a loop that looks each
prediction up in pandas frames, like the evaluation code in common use; most of that cost is pandas.

The data have THUMOS14's size: 213 videos, 20 classes, 3,358 instances of 4 s. Half of the
predictions lie near an instance of their class, half anywhere in a video that has one.

Examples:
  python -m benchmarks.speed.evaluate
  python -m benchmarks.speed.evaluate --without-pandas-loop --dry-run
  python -m benchmarks.speed.evaluate --predictions 20000 --repeats 1 --dry-run
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
from wstal.evaluate import detection_map

from benchmarks.record import record_parser, write_record
from benchmarks.speed.reference.detection_map_lean_loop import detection_map_lean_loop
from benchmarks.speed.reference.detection_map_loop import detection_map_loop

TIOUS = np.arange(0.1, 1.01, 0.1).round(2)  # ten thresholds


def random_task(count: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ground truth and `count` predictions."""
    rng = np.random.default_rng(seed)
    videos, instances = 213, 3358
    main_class = rng.integers(20, size=videos)
    video = rng.integers(videos, size=instances)
    length = rng.lognormal(np.log(3), 0.8, instances)
    start = rng.uniform(0, 210, instances)
    truth = pd.DataFrame(
        {
            "video_id": [f"video_test_{i:07d}" for i in video],
            "t_start": start,
            "t_end": start + length,
            "label": [f"class{i:02d}" for i in main_class[video]],
        }
    )
    near = truth.iloc[rng.integers(instances, size=count)]
    far = rng.random(count) < 0.5
    t_start = near["t_start"].to_numpy() + near["t_end"].to_numpy() * rng.normal(0, 0.01, count)
    t_start = np.where(far, rng.uniform(0, 210, count), t_start.clip(min=0))
    span = (near["t_end"] - near["t_start"]).to_numpy() * rng.lognormal(0, 0.3, count)
    predictions = pd.DataFrame(
        {
            "video_id": near["video_id"].to_numpy(),
            "t_start": t_start,
            "t_end": t_start + span,
            "label": near["label"].to_numpy(),
            "score": rng.random(count) + ~far,
        }
    )
    return truth, predictions


def timed(function: Callable, *arguments: object) -> tuple[float, dict]:
    """Return seconds and result of one call."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main() -> None:
    """Time detection_map and the loops, compare their results and record both."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--predictions", type=int, default=100_000)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--without-pandas-loop", action="store_true", help="it takes a minute")
    args = arguments.parse_args()
    task = (*random_task(args.predictions), TIOUS)
    loops = {"lean": detection_map_lean_loop, "pandas": detection_map_loop}
    if args.without_pandas_loop:
        del loops["pandas"]
    fast, slow, difference = [], {name: [] for name in loops}, 0.0
    for _ in range(args.repeats):
        seconds, ours = timed(detection_map, *task)
        fast.append(seconds)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for name, loop in loops.items():
            seconds, plain = timed(loop, *task)
            slow[name].append(seconds)
            difference = max(difference, float(np.abs(ours["ap"] - plain["ap"]).max()))
    results = {
        **{
            f"ratio_{name}_loop": round(median(a / b for a, b in zip(times, fast, strict=True)), 1)
            for name, times in slow.items()
        },
        "detection_map_s": [round(seconds, 4) for seconds in fast],
        **{f"{name}_loop_s": [round(t, 3) for t in times] for name, times in slow.items()},
        "largest_difference": difference,
        "peak_memory_mib": round(peak),
    }
    print(f"{args.predictions} predictions x {len(TIOUS)} thresholds: {results}")
    if not args.dry_run:
        settings = {"predictions": args.predictions, "tious": list(TIOUS), "repeats": args.repeats}
        print(write_record("evaluate", results, settings=settings, packages=("numpy", "pandas")))


if __name__ == "__main__":
    main()
