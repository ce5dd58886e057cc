"""Two processes that make the same results at once, and two that make different ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from results_tree import TARGET, digests, left_over
from workflow_project import shell_jobs

OTHER = "results/thumos14_sim/annotations.json"
RUN = "results/tiny/demo_i3d/co2net/seed0"


def start(root: Path, *words: str) -> subprocess.Popen:
    own = {"PYTHONPATH": str(root / "workflow"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=root, env=os.environ | own, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.fixture
def again(finished):
    """The finished checkout, in which the run is to be trained and scored again."""
    root = finished.root
    shutil.rmtree(root / RUN)
    for made in ("map.csv", "co2net_map.csv", "co2net_log.csv"):
        for path in (root / "results/tiny").rglob(made):
            path.unlink()
    return root


def judge(counts: Counter, root: Path, expected: dict[str, str], problem: str) -> None:
    found = digests(root / "results")
    lost = sorted(set(expected) - set(found))
    wrong = sorted(name for name in expected if name in found and found[name] != expected[name])
    counts.update(lost=len(lost), silent=len(wrong), tried=1)
    counts["survived"] += not (lost or wrong or problem)
    assert not (lost or wrong or problem or left_over(root / "results")), (lost, wrong, problem)


@pytest.mark.parametrize("apart", [0.0, 0.3, 2.0])
def test_two_trainings_of_one_run_end_in_its_bytes(again, finished, table, apart):
    listed = finished.project.snakemake(TARGET, "--dry-run", "--forceall", "--printshellcmds")
    job = next(each for each in shell_jobs(listed.stdout + listed.stderr) if each.rule == "train")
    first = start(again, *job.words[1:])
    time.sleep(apart)
    second = start(again, *job.words[1:])
    said = [each.communicate(timeout=finished.limit)[0] for each in (first, second)]
    made = [Path(name).relative_to("results") for name in job.outputs]
    kept = [path.parent / ".finished" / path.name for path in made]
    expected = {str(path): finished.digests[str(path)] for path in (*made, *kept)}
    ended = [each.returncode for each in (first, second)]
    problem = "" if 0 in ended and "Traceback" not in "".join(said) else f"{ended}: {said}"
    judge(table.setdefault("two processes", Counter()), again, expected, problem)


def test_two_runs_of_one_target_end_in_its_bytes(again, finished, table):
    words = ("-m", "wstal", "run", TARGET, "--cores", "1", "--configfile", "tiny.yaml")
    both = [start(again, *words) for _ in range(2)]
    said = [each.communicate(timeout=finished.limit)[0] for each in both]
    problem = ""
    if 0 not in [each.returncode for each in both]:
        problem = "".join(said)
    refused = [text for each, text in zip(both, said, strict=True) if each.returncode]
    if any("cannot be locked" not in text for text in refused):
        problem = "".join(refused)
    judge(table.setdefault("two processes", Counter()), again, finished.digests, problem)


def test_two_runs_of_different_results_share_a_checkout(again, finished, table):
    words = ("-m", "wstal", "run", "--cores", "1", "--configfile", "tiny.yaml", "--")
    both = [start(again, *words, target) for target in (TARGET, OTHER)]
    said = [each.communicate(timeout=finished.limit)[0] for each in both]
    ended = [each.returncode for each in both]
    problem = "" if ended == [0, 0] and (again / OTHER).is_file() else "".join(said)
    shutil.rmtree(again / "results/thumos14_sim", ignore_errors=True)
    judge(table.setdefault("two processes", Counter()), again, finished.digests, problem)
