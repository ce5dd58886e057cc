"""Compare what `wstal plan` expects with a run: the demo, and a small folder of rendered clips.

Each is planned and then run in an empty work folder. Both count seconds of processor of the stages
that a plan models: on a busy machine the clock says little.

Examples:
  python -m benchmarks.speed.plan
  python -m benchmarks.speed.plan --sets folder --dry-run
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wstal.apply.calibration import render_clip
from wstal.base.files import read_cached
from wstal.commands.runtime import stage_costs
from wstal.config import run_progress

from benchmarks.record import record_parser, write_record

STAGES = ("probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish", "train", "score")
TARGETS = {"demo": "results/demo/co2net_map.csv", "folder": "results/mine/untrimmednet_map.csv"}
CONFIG = "datasets: {mine: {kind: folder, videos: clips, recipe: demo_i3d, shards: 2}}\n"


def prepare(folder: Path) -> None:
    """Write a work folder with ten clips of 160 x 120 and of 4 to 22 s."""
    (folder / "clips").mkdir()
    rows = ["video,labels,split"]
    for number in range(10):
        render_clip(folder / f"clips/v{number}.mp4", 4 + 2 * number, (160, 120))
        rows.append(f"v{number},{'ab'[number % 2]},{'test' if number > 5 else 'train'}")
    (folder / "clips/labels.csv").write_text("\n".join([*rows, ""]))
    (folder / "wstal.yaml").write_text(CONFIG)


def compare(name: str, folder: Path) -> dict[str, Any]:
    """Plan and run a target; return the seconds of processor that were expected and taken."""
    prepare(folder)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for word in ("plan", "run"):
        command = [sys.executable, "-m", "wstal", word, TARGETS[name], "--cores", "2"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)
    expected = read_cached(folder / run_progress.FOLDER / run_progress.EXPECTED)
    taken = stage_costs(folder / "results/benchmarks").set_index("stage")
    stages = {}
    for kind, seconds in expected.items():
        stage = kind.split(" ")[0]
        if stage in STAGES and stage in taken.index:
            row = taken.loc[stage]
            about = {"expected_s": round(seconds * row["jobs"], 1), "taken_s": row["cpu_s"]}
            stages[stage] = {key: float(value) for key, value in about.items()}
    sums = {key: round(sum(each[key] for each in stages.values()), 1) for key in about}
    return {"stages": stages, **sums, "ratio": round(sums["expected_s"] / sums["taken_s"], 2)}


def main() -> None:
    """Compare each set, print and record."""
    parser = record_parser(__doc__)
    parser.add_argument("--sets", nargs="+", choices=TARGETS, default=[*TARGETS])
    args = parser.parse_args()
    results = {}
    for name in args.sets:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = compare(name, Path(folder))
        print(name, results[name], flush=True)
        if not args.dry_run:
            write_record("plan", results)


if __name__ == "__main__":
    main()
