"""Every stage on a disk that fills up while it writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import warm_python
from results_tree import TARGET, digests, left_over
from workflow_project import shell_jobs

SHARES = (0.0, 0.5)  # of what the stage writes, that the disk still takes
FULL = ("the disk is full", "No space left on device")  # the second of a lock file


@pytest.fixture
def small_disk(finished):
    """The finished checkout with its results on a disk of their own, of 128 MB."""
    root = finished.root
    mount = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", root / "results"]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        shutil.copytree(finished.kept / "results", root / "results", dirs_exist_ok=True)
        yield root
    finally:
        subprocess.run(["umount", root / "results"], check=True)


def fill(results: Path, keep: int) -> Path:
    """Fill the disk up to `keep` bytes, which are whole pages; return the file to remove."""
    filler = results / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(shutil.disk_usage(results).free - keep, 4096))
    return filler


def run(root: Path, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": str(root / "workflow"), "OMP_NUM_THREADS": "1"}
    return warm_python.run([sys.executable, *words[1:]], cwd=root, env=os.environ | own)


def forget(root: Path, outputs: tuple[str, ...]) -> int:
    """Remove what a job made, arrays and finished runs included; return its bytes."""
    removed = 0
    for output in (root / name for name in outputs):
        beside = output.parent.glob("*.h5") if output.name.startswith("shard") else []
        for path in (output, *beside):
            if path.is_file():
                removed += path.stat().st_size
                path.unlink()
        if output.name == "checkpoint.pt":
            shutil.rmtree(output.parent / ".finished", ignore_errors=True)
        shutil.rmtree(output.parent / "cache", ignore_errors=True)
    return removed


def test_a_full_disk_is_one_line_at_every_stage(small_disk, finished, table, settings):
    root, counts, problems, met = small_disk, Counter(), {}, 0
    options = ("--dry-run", "--forceall", "--printshellcmds")
    listed = finished.project.snakemake(TARGET, *options)
    jobs = {}
    for job in shell_jobs(listed.stdout + listed.stderr):
        if job.rule not in jobs or "shard0" in job.outputs[0]:  # the shard that has the videos
            jobs[job.rule] = job
    assert {"probe", "frames", "flow", "i3d_rgb", "vggish", "pack", "train", "evaluate"} <= set(
        jobs
    )
    for rule, job in jobs.items():
        for share in SHARES:
            size = forget(root, job.outputs)
            filler = fill(root / "results", int(size * share) // 4096 * 4096)
            done = run(root, job.words)
            filler.unlink()
            counts["tried"] += 1
            lines = [
                line for line in done.stderr.splitlines() if any(text in line for text in FULL)
            ]
            met += done.returncode != 0
            faults = left_over(root / "results")
            faults += ["a traceback"] if "Traceback" in done.stderr else []
            if done.returncode and len(lines) != 1:
                faults.append(f"status {done.returncode}, {len(lines)} lines: {done.stderr[-300:]}")
            again = run(root, job.words)
            if again.returncode:
                counts["lost"] += 1
                faults.append(f"not made afterwards: {again.stderr[-300:]}")
            found = digests(root / "results")
            wrong = [n for n, digest in finished.digests.items() if found.get(n) != digest]
            shutil.copytree(finished.kept / "results", root / "results", dirs_exist_ok=True)
            if wrong:
                counts["silent"] += 1
                faults.append(f"differ: {wrong}")
            if faults:
                problems[rule, share] = faults
    counts["survived"] = counts["tried"] - len(problems)
    table["full disks"] = counts
    settings["full disks"] = {"stages": sorted(jobs), "shares of the output": SHARES}
    settings["full disks"]["jobs that did not fit"] = met
    assert not problems, "\n".join(f"{name}: {faults}" for name, faults in problems.items())
    assert met > len(jobs)  # the others wrote less than a page, or over a file of before
