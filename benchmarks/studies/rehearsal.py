"""Rehearse a dataset of many videos from packing to the viewer, without videos.

Stage files of random features (50 snippets a video on average, two streams of 128 channels and
sound) take the place of decoding, flow and networks. Then the jobs that the DAG lists run as they
are: pack, two training intervals, score, localize, evaluate, viewer. The record has the seconds and
the peak memory of each job at each number of videos, and the power of the number of videos with
which they grow between the smallest and the largest (1: linear, 0: flat).

Examples:
  python -m benchmarks.studies.rehearsal --videos 1000 2000 5000
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from wstal.base.array_store import Record, create_arrays, write_shard
from wstal.base.files import write_csv
from wstal.media.find import shard_of
from wstal.media.manifest import COLUMNS

from benchmarks.record import FOLDER, Figures, record_parser, write_record

ROOT = FOLDER.parent
COPIED = ("Snakefile", "profiles", "rules", "scripts", "workflow", "envs", "pyproject.toml")
STREAMS = {"i3d_rgb": ("rgb", 128), "i3d_flow": ("flow", 128), "vggish": ("audio", 16)}
CLASSES, SHARDS, SNIPPETS, STEP = 20, 4, 50, 0.64
TARGETS = ("results/large/co2net_map.csv", "results/large/co2net/viewer.html")
CONFIG = f"""datasets:
  large: {{kind: folder, videos: clips, shards: {SHARDS}, recipe: demo_i3d, protocol: demo,
    seeds: [0]}}
methods:
  co2net: {{train: {{iterations: 20, score_interval: 10}}}}
"""
JOBS = ("labels", "annotations", "pack", "completeness", "train", "score", "localize", "evaluate")
JOBS += ("viewer",)
MEASURED = ("pack", "train", "score", "localize", "evaluate", "viewer")


def write_dataset(root: Path, videos: int) -> None:
    """Write labels, segments, manifest and stage files of `videos` videos."""
    rng = np.random.default_rng(0)
    prototypes = {stage: rng.random((CLASSES, width)) for stage, (_, width) in STREAMS.items()}
    (root / "clips").mkdir()
    labels, segments, manifest = [], [], []
    records: dict[tuple[str, int], list[Record]] = {}
    for number in range(videos):
        name, kind = f"v{number:05d}", int(rng.integers(CLASSES))
        split, length = ("train", "test")[number % 2], int(rng.integers(20, 2 * SNIPPETS - 19))
        shard, start = shard_of(name, SHARDS), int(rng.integers(0, length - 10))
        labels.append([f"{name}.mp4", f"class{kind:02d}", split])
        segments.append([f"{name}.mp4", start * STEP, (start + 8) * STEP, f"class{kind:02d}"])
        row = dict.fromkeys(COLUMNS, "0") | {"id": name, "path": f"clips/{name}.mp4"}
        row |= {"split": split, "status": "ok", "fps": 25, "duration": length * STEP, "reason": ""}
        manifest.append(row | {"frames": length * 16, "width": 340, "height": 256})
        for stage, (_, width) in STREAMS.items():
            rows = rng.random((length, width), dtype=np.float32)
            rows[start : start + 8] += prototypes[stage][kind]
            path = root / f"results/large/demo_i3d/{stage}/{name}.h5"
            with create_arrays(path, id=name, stage=stage, key=name, provenance={}) as file:
                file.write("features", rows)
                file.attrs["rows"] = length
                digest = file.sha256()
            record = Record(name, "ok", length, digest, path.name, name)
            records.setdefault((stage, shard), []).append(record)
        silent = Record(name, "missing", 0, "", "", name)  # nothing to hear in the viewer
        records.setdefault(("audio", shard), []).append(silent)
    for (stage, shard), made in records.items():
        write_shard(root / f"results/large/demo_i3d/{stage}/shard{shard}.csv", made)
    write_csv(root / "results/large/manifest.csv", COLUMNS, manifest)
    for file, head, rows in (
        ("labels.csv", ["video", "labels", "split"], labels),
        ("segments.csv", ["video", "t_start", "t_end", "label"], segments),
    ):
        with (root / "clips" / file).open("w", newline="") as output:
            csv.writer(output).writerows([head, *rows])


def commands(root: Path, environment: dict[str, str]) -> dict[str, list[str]]:
    """Return the command of each of `JOBS`, as the DAG has it, without its log."""
    words = ["--dry-run", "--forceall", "--printshellcmds", "--cores", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *TARGETS, *words, "--configfile", "large.yaml"],
        cwd=root, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {}
    block = r"^(?:local)?rule (\w+):\n(?: {4}.*\n)*Shell command: ((?:.|\n)*?)\n(?=\n|\[)"
    for rule, command in re.findall(block, done.stdout + done.stderr, re.M):
        found[rule] = shlex.split(re.split(r"\s(?:&>|\|&)", command)[0])
    return {rule: found[rule] for rule in JOBS}


def measure(command: list[str], root: Path, environment: dict[str, str]) -> dict[str, float]:
    """Run a job; return its CPU and wall seconds and its peak memory in MB."""
    begun = time.perf_counter()
    job = subprocess.Popen(
        [sys.executable, *command[1:]],
        cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = job.stderr.read()
    _, status, usage = os.wait4(job.pid, 0)
    if status:
        raise RuntimeError(f"{command[1]}: {said.decode()[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    wall = time.perf_counter() - begun
    return {"cpu_s": round(cpu, 1), "wall_s": round(wall, 1), "mb": round(usage.ru_maxrss / 1024)}


def rehearse(videos: int, folder: Path) -> dict[str, dict[str, float]]:
    """Return the figures of every measured job for a dataset of `videos` videos."""
    root = folder / f"videos{videos}"
    root.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, root / name)
    (root / "large.yaml").write_text(CONFIG)
    write_dataset(root, videos)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root / "workflow")}
    figures = {}
    for rule, command in commands(root, environment).items():
        figures[rule] = measure(command, root, environment)
        print(videos, rule, figures[rule], flush=True)
    shutil.rmtree(root)
    return {rule: figures[rule] for rule in MEASURED}


def growth(small: dict, large: dict, ratio: float) -> dict[str, dict[str, float]]:
    """Return, of each job, the power of the number of videos by which time and memory grow."""
    keys = ("cpu_s", "mb")
    return {
        rule: {k: round(math.log(large[rule][k] / small[rule][k], ratio), 2) for k in keys}
        for rule in MEASURED
    }


def main(args: argparse.Namespace) -> None:
    settings = {"snippets per video": SNIPPETS, "streams": STREAMS, "classes": CLASSES}
    figures = Figures(
        None if args.dry_run else lambda r: write_record("rehearsal", r, settings=settings)
    )
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        for videos in args.videos:
            figures.take(f"{videos} videos", lambda videos=videos: rehearse(videos, Path(name)))
    ends = [figures[f"{args.videos[end]} videos"] for end in (0, -1)]
    ratio = args.videos[-1] / args.videos[0]
    figures.take("grows with the power of the videos", lambda: growth(*ends, ratio))


if __name__ == "__main__":
    parser = record_parser(__doc__)
    parser.add_argument("--videos", type=int, nargs="+", default=[1000, 2000, 5000, 20000])
    parser.add_argument(
        "--folder", help="where to work (default: the system's for temporary files)"
    )
    main(parser.parse_args())
