"""Compare what `wstal plan` expects with a run: two rendered sets, and a folder of ten clips.

Each is planned and then run in an empty work folder, the machine measured anew. Both count seconds
of processor of the stages that a plan models: on a busy machine the clock says little. A run of a
rendered set takes long; with `--made` one that has been made is compared, which must be of this
machine and in the same state. What is not measured stays in the record as it is, with its commit.

Examples:
  python -m benchmarks.speed.plan
  python -m benchmarks.speed.plan --sets demo demo_val --made results/benchmarks
  python -m benchmarks.speed.plan --sets folder --dry-run
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from wstal.apply.calibration import render_clip
from wstal.base.files import read_cached
from wstal.config import run_progress
from wstal.flow.tvl1_backends.cpu import cache_folder

from benchmarks.record import FOLDER, commit, record_parser, write_record

RECORD = FOLDER / "results" / "plan.json"
STAGES = ("probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish")
TRAINING = ("train", "score")
RUNS = {  # dataset, run
    "demo": ("demo", "co2net"),
    "demo_val": ("demo_val", "co2net"),
    "folder": ("mine", "untrimmednet"),
}
RECIPE = "demo_i3d"
CONFIG = f"datasets: {{mine: {{kind: folder, videos: clips, recipe: {RECIPE}, shards: 2}}}}\n"
OFTEN, SELDOM = 15.0, 30.0  # s: Snakemake looks at a job twice a second at first, then so seldom


def prepare(folder: Path) -> None:
    """Write a work folder with ten clips of 160 x 120 and of 4 to 22 s."""
    (folder / "clips").mkdir()
    rows = ["video,labels,split"]
    for number in range(10):
        render_clip(folder / f"clips/v{number}.mp4", 4 + 2 * number, (160, 120))
        rows.append(f"v{number},{'ab'[number % 2]},{'test' if number > 5 else 'train'}")
    (folder / "clips/labels.csv").write_text("\n".join([*rows, ""]))
    (folder / "wstal.yaml").write_text(CONFIG)


def compare(name: str, folder: Path, made: Path | None) -> dict[str, Any]:
    """Plan a target, and run it unless its benchmark files are `made`; return both's seconds."""
    prepare(folder)
    dataset, run = RUNS[name]
    target = f"results/{dataset}/{run}_map.csv"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    forget = shutil.ignore_patterns("calibration")  # what is compiled is not measured
    shutil.copytree(cache_folder(), folder / "cache/wstal", ignore=forget)
    plans = [_wstal("plan", target, folder, environment) for _ in range(2)]
    expected = _by_stage(read_cached(folder / run_progress.FOLDER / run_progress.EXPECTED))
    if made is None:
        _wstal("run", target, folder, environment)
        made = folder / "results/benchmarks"
    taken, jobs = processor_seconds(made / dataset, run)
    stages = {
        stage: {"expected_s": round(expected[stage] * jobs[stage], 1), "taken_s": round(spent, 1)}
        for stage, spent in taken.items()
    }
    sums = {
        key: round(sum(each[key] for each in stages.values()), 1)
        for key in ("expected_s", "taken_s")
    }
    return {
        "commit": commit(),
        "stages": stages,
        **sums,
        "ratio": round(sums["expected_s"] / sums["taken_s"], 2),
        "calibration_s": round(plans[0] - plans[1], 1),
    }


def _wstal(word: str, target: str, folder: Path, environment: dict[str, str]) -> float:
    """Run `wstal WORD TARGET` in a folder and return the seconds of processor of all it starts."""
    command = [sys.executable, "-m", "wstal", word, target, "--cores", "2"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _by_stage(expected: dict[str, float]) -> dict[str, float]:
    return {kind.split(" ")[0]: seconds for kind, seconds in expected.items()}


def processor_seconds(folder: Path, run: str) -> tuple[dict[str, float], Counter[str]]:
    """Return the seconds of processor of each stage for a run, and how many jobs it had.

    `folder` has the benchmark files of a dataset. What a job spent after Snakemake last looked at
    it is taken to be as much in a second as before.
    """
    taken, jobs = dict.fromkeys((*STAGES, *TRAINING), 0.0), Counter()
    paths = [(stage, path) for stage in STAGES for path in folder.glob(f"**/{stage}/shard*.tsv")]
    for stage in TRAINING:
        paths += [(stage, path) for path in folder.glob(f"{RECIPE}/{run}/{stage}.*.tsv")]
    for stage, path in paths:
        row = pd.read_csv(path, sep="\t").iloc[0]
        taken[stage] += float(row["cpu_time"]) * float(row["s"]) / last_look(float(row["s"]))
        jobs[stage] += 1
    return {stage: taken[stage] for stage in taken if jobs[stage]}, jobs


def last_look(seconds: float) -> float:
    """Return when Snakemake last looked at a job of so many seconds, since its start."""
    if seconds <= OFTEN:
        return seconds
    return OFTEN + (seconds - OFTEN) // SELDOM * SELDOM


def main() -> None:
    """Compare each set, print and record."""
    parser = record_parser(__doc__)
    parser.add_argument("--sets", nargs="+", choices=RUNS, default=[*RUNS])
    parser.add_argument("--made", type=Path, help="results/benchmarks of finished rendered sets")
    args = parser.parse_args()
    for name in args.sets:
        with tempfile.TemporaryDirectory() as folder:
            made = args.made.absolute() if args.made and name != "folder" else None
            result = compare(name, Path(folder), made)
        print(name, result, flush=True)
        if not args.dry_run:
            kept = json.loads(RECORD.read_text())["results"]
            write_record("plan", {**kept, name: result})


if __name__ == "__main__":
    main()
