"""Time Concord's training and scoring beside those of CO2-Net and TS-SAM, in turns.

Each makes one update after the other on a dataset's training videos, with its settings there; a
training's cost is the median of an update times the number of updates. Concord's teachers are
scored after their first updates: what they say does not change what it costs. Then each scores
the test videos. Seconds of processor time on one core. Features have to be there: targets
results/demo/demo_i3d/features.h5, results/thumos14_sim/sim128/features.h5.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.speed.concord
  OMP_NUM_THREADS=1 python -m benchmarks.speed.concord --turns 20 --dry-run
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from wstal.config.catalog import load_catalog
from wstal.datasets.annotations import read_annotations, training_view
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores
from wstal.train.data import teacher_scores
from wstal.train.loop import keep_freed_memory

from benchmarks.record import FOLDER, record_parser, write_record
from benchmarks.runs import Run

DATASETS = {"demo": "demo_i3d", "thumos14_sim": "sim128"}
TEACHERS = ("co2net", "tssam")


def seconds(step: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    step()
    return time.process_time() - start


def medians(steps: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Return the median seconds of each step; one of each in every turn, two before that."""
    for step in [*steps.values()] * 2:
        step()
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(turns):
        for name, step in steps.items():
            spent[name].append(seconds(step))
    return {name: median(each) for name, each in spent.items()}


def scoring_of(run: Run) -> Callable[[], Scores]:
    """Return a function that scores a run's test videos."""
    scorer = run.scorer("test")
    return lambda: scorer(run.trainer.model, 0)


def measured(dataset: str, turns: int) -> dict[str, Any]:
    """Return the cost of each run, and that of Concord with its teachers relative to CO2-Net."""
    folder = FOLDER.parent / "results" / dataset
    labels = training_view(read_annotations(folder / "annotations.json"))
    with FeatureFile(folder / DATASETS[dataset] / "features.h5") as features:

        def run(name: str, teachers: Scores | None = None) -> Run:
            config = load_catalog().run_config(dataset, name)
            return Run(config, features, labels, 0, teachers)

        runs = {name: run(name) for name in TEACHERS}
        said = {}
        for name, teacher in runs.items():
            for _ in range(5):
                teacher.trainer.step()
            said[name] = teacher.scorer("train")(teacher.trainer.model, 0)
        runs["concord"] = run("concord", teacher_scores(said))
        update = medians({name: run.trainer.step for name, run in runs.items()}, turns)
        scoring = medians({name: scoring_of(run) for name, run in runs.items()}, max(turns // 4, 1))
    updates = {name: run.trainer.iterations for name, run in runs.items()}
    training = {name: update[name] * updates[name] for name in runs}
    return {
        "update_s": update,
        "updates": updates,
        "training_s": training,
        "scoring_s": scoring,
        "training_with_teachers": round(sum(training.values()) / training["co2net"], 2),
        "scoring": round(scoring["concord"] / scoring["co2net"], 2),
    }


def main() -> None:
    parser = record_parser(__doc__)
    parser.add_argument("--turns", type=int, default=40, help="updates of each that are timed")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    args = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    results = {}
    for dataset in args.datasets:
        results[dataset] = measured(dataset, args.turns)
        print(dataset, results[dataset], flush=True)
    if not args.dry_run:
        print(write_record("concord_cost", results, settings={"turns": args.turns}))


if __name__ == "__main__":
    main()
