"""What a power cut leaves: copies of a disk in use, without what was only in memory.

A copy of the image of a mounted ext4 file system has what the kernel had written by then. Mounted
on its own, it is the disk after a power cut at that moment. A copy in whose time the image changed
is of no single moment (names without the bytes that were written before them), and is made again.
"""

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

MB = 160
EVERY = 2.0  # s between copies
AFTER = (1.0, 8.0)  # s after the end of the run
TRIES = 20  # of a copy; the disk is at rest for longer than one takes
RESUMED = 3  # copies from which the run is continued


def command(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def disk(finished, tmp_path):
    """An empty ext4 file system in a file, mounted where the finished checkout is."""
    image, place = tmp_path / "disk.img", finished.root
    with image.open("wb") as file:
        file.truncate(MB << 20)
    try:
        command("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        command("mount", "-o", "loop", image, place)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"loop mounts are not allowed here: {error}")
    yield image
    while place.is_mount():
        command("umount", place)


def start(root: Path, log: Path) -> subprocess.Popen:
    own = {"PYTHONPATH": str(root / "workflow"), "OMP_NUM_THREADS": "1"}
    words = ["run", TARGET, "--cores", "2", "--configfile", "tiny.yaml"]
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "wstal", *words],
            cwd=root, env=os.environ | own, stdout=output, stderr=output,
        )  # fmt: skip


def test_a_power_cut_costs_nothing_that_was_finished(finished, disk, tmp_path, table, settings):
    image, root = disk, finished.root
    log, copies, again = tmp_path / "log.txt", [], 0

    def copy():
        nonlocal again
        path = tmp_path / f"copy{len(copies):03d}.img"
        for _ in range(TRIES):
            before = image.stat().st_mtime_ns
            command("cp", "--sparse=always", image, path)
            if image.stat().st_mtime_ns == before:
                copies.append(path)
                return
            again += 1

    ignore = shutil.ignore_patterns("results", ".snakemake", "lost+found")
    shutil.copytree(finished.kept, root, ignore=ignore, dirs_exist_ok=True)
    os.sync()
    running = start(root, log)
    while running.poll() is None:
        time.sleep(EVERY)
        copy()
    assert running.returncode == 0, log.read_text()[-2000:]
    for number, pause in enumerate(AFTER, len(copies) + 1):
        time.sleep(pause)
        copy()
        assert len(copies) == number, "the disk is never at rest"
    command("umount", root)

    expected, counts, problems, before = finished.digests, Counter(), [], set()
    resumed = 0
    for number, each in enumerate(copies):
        command("mount", "-o", "loop", each, root)
        found = digests(root / "results")
        wrong = [n for n, digest in found.items() if n in expected and digest != expected[n]]
        lost = sorted(before - set(found))
        before = set(found) & set(expected)
        counts["tried"] += 1
        counts["silent"] += len(wrong)
        counts["lost"] += len(lost)
        problems += [(number, wrong, lost)] if wrong or lost else []
        if number >= len(copies) - len(AFTER) and before != set(expected):
            counts["lost"] += len(set(expected) - before)
            problems.append((number, "missing after the end", sorted(set(expected) - before)))
        if number % (step := max(len(copies) // RESUMED, 1)) == step // 2:
            resumed += 1
            status = start(root, log).wait(finished.limit)
            differ = sorted(
                name for name, _ in digests(root / "results").items() ^ expected.items()
            )
            if status or differ:
                counts["lost"] += 1
                problems.append((number, "not continued", differ, log.read_text()[-1500:]))
            assert not left_over(root / "results")
        command("umount", root)
        if not problems:
            each.unlink()
    counts["survived"] = counts["tried"] - len({number for number, *_ in problems})
    table["power cuts"] = counts
    settings["power cuts"] = {"copies every s": EVERY, "after the end s": AFTER}
    settings["power cuts"] |= {"copies made again": again, "continued": resumed}
    assert not problems and resumed >= RESUMED
