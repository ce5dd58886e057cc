"""Runs that are killed at random moments, and started again by the same command."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
from results_tree import TARGET, digests, left_over

KILLS = int(os.environ.get("WSTAL_FAULTS_KILLS", "50"))
SEED = 11
MOMENTS = (0.06, 0.22)  # of the time of a whole run, after which a run is killed
REFUSALS = ("LockException", "cannot be locked", "IncompleteFiles", "seem to be incomplete")
# Whom the signal meets. Jobs of a killed Snakemake must end by themselves.
VICTIMS = ("snakemake", "snakemake", "everything", "one job", "snakemake, asked to end")


def start(root: Path, log: Path) -> subprocess.Popen:
    """Start the run in a session of its own, so that all of it can be killed."""
    own = {"PYTHONPATH": str(root / "workflow"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "wstal", "run", TARGET, "--cores", "2"]
    with log.open("w") as output:
        return subprocess.Popen(
            [*command, "--configfile", "tiny.yaml"],
            cwd=root, env=os.environ | own, stdout=output, stderr=output, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip


def at_work(log: str) -> Counter[str]:
    """The rules of the jobs that have begun and not ended, by Snakemake's log."""
    begun = re.findall(r"^(?:local)?rule (\w+):", log, re.M)
    return Counter(begun) - Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", log, re.M))


def kill(running: subprocess.Popen, victim: str, limit: float) -> None:
    """Kill a run, or ask it to end, and wait for that; without a job to kill, the whole run."""
    jobs = []
    for child in psutil.Process(running.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            jobs += [child] if "scripts/" in " ".join(child.cmdline()) else []
    if victim == "everything" or (victim == "one job" and not jobs):
        os.killpg(running.pid, signal.SIGKILL)
    elif victim == "one job":
        with suppress(psutil.NoSuchProcess):
            jobs[-1].kill()
    else:
        asked = victim.endswith("asked to end")
        running.send_signal(signal.SIGINT if asked else signal.SIGKILL)
    running.wait(limit)


def test_killed_runs_end_in_the_same_bytes(finished, tmp_path, table, settings):
    draw, counts = random.Random(SEED), Counter()
    log, expected = tmp_path / "log.txt", finished.digests
    assert len(expected) > 60
    root, results = finished.root, finished.root / "results"

    def forget():
        for made in (results, root / ".snakemake/metadata", root / ".snakemake/incomplete"):
            shutil.rmtree(made, ignore_errors=True)

    def check():
        found = digests(results)
        lost = sorted(set(expected) - set(found))
        wrong = sorted(name for name in found if found[name] != expected.get(name))
        counts["lost"] += len(lost)
        counts["silent"] += len(wrong)
        assert not lost + wrong + left_over(results), (lost, wrong, left_over(results))

    forget()
    problems, ends, stages = [], 0, Counter()
    while counts["tried"] < KILLS:
        running = start(root, log)
        try:
            running.wait(draw.uniform(*MOMENTS) * finished.seconds)
        except subprocess.TimeoutExpired:
            stages.update(at_work(log.read_text()) or ["none"])
            kill(running, draw.choice(VICTIMS), finished.limit)
            counts["tried"] += 1
            text = log.read_text()
            if any(word in text for word in REFUSALS):
                problems.append(text[-2000:])
            continue
        if running.returncode:
            problems.append(log.read_text()[-2000:])
        check()
        forget()
        ends += 1
    if start(root, log).wait(finished.limit):
        problems.append(log.read_text()[-2000:])
    check()
    counts["survived"] = counts["tried"] - len(problems)
    counts["lost"] += len(problems)
    table["kills"] = counts
    victims = sorted(set(VICTIMS))
    settings["kills"] = {"seed": SEED, "victims": victims, "finished runs": ends + 1}
    settings["kills"]["jobs at work"] = dict(stages.most_common())
    assert not problems, problems[0]
