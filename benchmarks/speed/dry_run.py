"""Time the dry runs of a small, a wide and a deep DAG, beside what Snakemake itself takes.

Three targets: the demo, a dataset of 20,000 videos in 200 shards, and the results of 200 runs.
For each, a plain Snakefile with as many jobs shows the floor of Snakemake. CPU seconds are of
one process and hardly depend on what else the machine does; wall seconds do. With --before COMMIT
the same is measured for that commit, in turns.

Examples:
  python -m benchmarks.speed.dry_run --before 90a89db
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER, commit, record_parser, write_record

ROOT = FOLDER.parent
VIDEOS, SHARDS, RUNS = 20_000, 200, 200
CONFIG = f"""datasets:
  large: {{kind: folder, videos: clips, shards: {SHARDS}, recipe: i3d_tvl1, protocol: demo}}
"""
FLOOR = """
rule all:
    input: expand("out/last{n}", n=range(%d))

rule first:
    output: "out/first{n}"
    shell: "touch {output}"

rule last:
    input: "out/first{n}"
    output: "out/last{n}"
    shell: "touch {output}"
"""


def export(revision: str, folder: Path) -> Path:
    """Write the tracked files of a commit into a new folder."""
    folder.mkdir()
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", revision], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder


def add_videos(root: Path) -> None:
    """Write empty files of many videos, their labels and the dataset's settings."""
    clips = root / "clips"
    clips.mkdir()
    with (clips / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "labels", "split"])
        for number in range(VIDEOS):
            name = f"v{number:05d}.mp4"
            (clips / name).touch()
            writer.writerow([name, f"class{number % 20}", ("train", "test")[number % 2]])
    (root / "large.yaml").write_text(CONFIG)


def run_targets() -> list[str]:
    """Return the headline results of runs on three datasets, `RUNS` of them."""
    from wstal.config.catalog import load_catalog

    catalog = load_catalog()
    untrained = {*catalog.fused(), *catalog.imported()}
    runs = [run for run in catalog.runs() if run not in untrained]
    datasets = ("thumos14_sim", "demo", "thumos14")
    return [f"results/{each}/{run}_map.csv" for each in datasets for run in runs][:RUNS]


def measure(root: Path, *words: str) -> dict[str, float]:
    """Run Snakemake in `root`; return CPU and wall seconds, memory (MB) and the number of jobs."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root / "workflow")}
    command = [sys.executable, "-m", "snakemake", *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counted = re.search(r"^total\s+(\d+)", done.stdout + done.stderr, re.M)
    return {"cpu_s": cpu, "wall_s": wall, "jobs": int(counted[1]) if counted else 0}


def medians(figures: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(median(each[key] for each in figures), 2) for key in figures[0]}


def main(args: argparse.Namespace) -> None:
    commit()  # kept from now on: the tree may change while it is measured
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        roots = {"now": export(args.now, folder / "now")}
        if args.before:
            roots["before"] = export(args.before, folder / "before")
        for root in roots.values():
            add_videos(root)
        dry = ("--dry-run", "--quiet", "rules", "host", "--cores", "1")
        cases = {
            "small: the demo": ("demo", *dry),
            f"{VIDEOS} videos": (
                "results/large/co2net_map.csv",
                *dry,
                "--configfile",
                "large.yaml",
            ),
            f"{RUNS} runs": (*run_targets(), *dry),
        }
        results: dict[str, dict] = {"snakemake --version": {}}
        figures: dict[tuple[str, str], list] = {}
        for turn in range(args.repeats + 1):  # the first one fills the caches and is left out
            for case, words in cases.items():
                for which, root in roots.items():
                    figures.setdefault((case, which), []).append(measure(root, *words))
            version = measure(folder, "--version")
            figures.setdefault(("snakemake --version", "now"), []).append(version)
            print(f"turn {turn} of {args.repeats}: {figures}", flush=True)
        for case, which in figures:
            results.setdefault(case, {})[which] = medians(figures[case, which][1:])
        for case in cases:
            floor = folder / f"floor{len(case)}"
            floor.mkdir()
            jobs = int(results[case]["now"]["jobs"])
            (floor / "Snakefile").write_text(FLOOR % (jobs // 2))
            floors = [measure(floor, *dry) for _ in range(args.repeats)]
            results[case]["plain Snakefile of as many jobs"] = medians(floors)
    print(results)
    if not args.dry_run:
        settings = {"repeats": args.repeats, "now": args.now, "before": args.before}
        settings |= {"load": os.getloadavg()[0]}
        write_record("dry_run", results, settings=settings, packages=("snakemake", "pandas"))


if __name__ == "__main__":
    parser = record_parser(__doc__)
    parser.add_argument("--now", default="HEAD", help="the commit measured (default: HEAD)")
    parser.add_argument("--before", help="an earlier commit, measured in turns with it")
    parser.add_argument("--repeats", type=int, default=3)
    main(parser.parse_args())
