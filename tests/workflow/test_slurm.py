"""The small dataset through the Slurm profile, on a real Slurm that plays several nodes.

WSTAL_REFERENCE names a folder with `tools/slurm/start_slurm.sh` and `stop_slurm.sh`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from workflow_project import VIDEOS, write_video

pytestmark = pytest.mark.slow

TARGET = "results/tiny/co2net_map.csv"
SIZE = {"NCPU": "2", "NGPU": "1", "CPUS": "8", "MEM": "64000", "ACCT": "none"}


@pytest.fixture(scope="module")
def slurm(reference, tmp_path_factory):
    """A running Slurm without accounting: two nodes, and one with two pretended GPUs."""
    scripts = reference / "tools/slurm"
    if not shutil.which("slurmctld") or not find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip("slurmctld or snakemake-executor-plugin-slurm is not installed")
    if os.getuid() or not (scripts / "start_slurm.sh").is_file():
        pytest.skip(f"no {scripts / 'start_slurm.sh'}, or not root to run it")
    if shutil.which("squeue") and not subprocess.run(["squeue"], capture_output=True).returncode:
        pytest.skip("a Slurm runs here already")
    folder = tmp_path_factory.mktemp("slurm") / "cluster"
    environment = os.environ | SIZE | {"SLURM_TOY": str(folder), "WIPE": "1"}
    patch = pytest.MonkeyPatch()
    patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    try:
        subprocess.run(["bash", str(scripts / "start_slurm.sh")], env=environment, check=True)
        for partition in ("cpu", "gpu"):
            limit = ["scontrol", "update", f"partitionname={partition}", "maxtime=UNLIMITED"]
            subprocess.run(limit, check=True)
        yield
    finally:
        subprocess.run(["bash", str(scripts / "stop_slurm.sh")], env=environment, check=False)
        patch.undo()


@pytest.fixture
def on_slurm(slurm, bare_project, tmp_path):
    """The project with the profile's partitions set, and GPUs asked for that no job computes on."""
    project = bare_project.copy(tmp_path / "wstal")
    profile = project.root / "workflow/profiles/slurm/config.yaml"
    text, count = re.subn(
        "# slurm_partition: (yours, if|as above).*",
        "slurm_partition: gpu\n    gpu: 1",
        profile.read_text(),
    )
    assert count == 2
    profile.write_text(text)
    tiny = project.root / "tiny.yaml"
    tiny.write_text(tiny.read_text().replace("shards: 2", "shards: 3"))
    return project


@pytest.fixture
def start(on_slurm):
    """A function that starts Snakemake with the profile; none outlives the test."""
    runs = []

    def run(target, *arguments):
        command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/slurm"]
        command += ["--configfile", "tiny.yaml", "--config", "device=cpu", *arguments]
        command += ["--slurm-init-seconds-before-status-checks", "2", "--", target]
        said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        runs.append(subprocess.Popen(command, cwd=on_slurm.root, **said))
        return runs[-1]

    yield run
    for process in runs:
        process.kill()


def queue(*arguments):
    command = ["squeue", "--noheader", *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout.splitlines()


def asked(rule):
    """GPUs, partition and CPUs of the jobs of a rule that have started, the ended ones too."""
    started = "--states=RUNNING,COMPLETING,COMPLETED,CANCELLED"
    jobs = queue(started, "-O", "comment:80,tres-per-job:20,Partition:20,NumCPUs:20")
    return {tuple(job.split()[1:]) for job in jobs if job.startswith(f"rule_{rule}_")}


def running(rule, seconds=200):
    """The id of a job of this rule, as soon as one runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for line in queue("--states=RUNNING", "-o", "%i %k"):
            if f" rule_{rule}_" in f"{line}_":
                return line.split()[0]
        time.sleep(0.1)
    raise AssertionError(f"no job of {rule} ran within {seconds} s")


def test_a_cancelled_job_is_all_that_runs_again(on_slurm, start, finished_project):
    run = start(TARGET, "--retries", "0")
    cancelled = running("i3d_rgb")
    subprocess.run(["scancel", cancelled], check=True)
    assert asked("probe") == asked("frames") == {("N/A", "cpu", "1")}
    assert asked("i3d_rgb") == {("gres:gpu:1", "gpu", "4")}
    said, _ = run.communicate(timeout=900)
    assert run.returncode == 1
    assert said.count("Error in rule ") == 1 and f"SLURM-job '{cancelled}' failed" in said
    folder = on_slurm.root / "results/tiny/demo_i3d"
    assert len(list(folder.glob("i3d_rgb/shard*.csv"))) == 2
    assert len(list(folder.glob("vggish/shard*.csv"))) == 3  # the others went on
    assert not (folder / "features.h5").exists()
    again = on_slurm.rules(TARGET, "--config", "device=cpu")
    run = start(TARGET)
    said, _ = run.communicate(timeout=900)
    assert run.returncode == 0, said[-6000:]
    assert again["i3d_rgb"] == again["pack"] == again["train"] == 1
    assert not {"probe", "frames", "flow", "vggish", "i3d_flow"} & set(again)
    submitted = len(re.findall("has been submitted with SLURM jobid", said))
    local = again["headline"] + again["completeness"]
    assert submitted == sum(again.values()) - local
    here = pd.read_csv(on_slurm.root / TARGET)
    pd.testing.assert_frame_equal(here, pd.read_csv(finished_project.root / TARGET))
    assert not on_slurm.rules(TARGET, "--config", "device=cpu")


def test_a_killed_job_is_submitted_again_and_keeps_its_videos(on_slurm, start):
    tiny = on_slurm.root / "tiny.yaml"
    tiny.write_text(tiny.read_text().replace("shards: 3", "shards: 1"))
    for seed, (name, (motion, _)) in enumerate(VIDEOS.items()):  # long enough to kill between two
        write_video(on_slurm.root / "clips" / f"{name}.mp4", motion, seed, seconds=10.0)
    output = on_slurm.root / "results/tiny/demo_i3d/flow"
    run = start("results/tiny/demo_i3d/flow/shard0.csv")
    kept = kill_after_first_video(on_slurm.root, output)
    said, _ = run.communicate(timeout=600)
    assert run.returncode == 0, said[-6000:]
    assert said.count("Trying to restart job") == 1
    assert len(pd.read_csv(output / "shard0.csv")) == 4
    assert len(finished(output)) == 4
    assert {
        path.name: path.stat().st_mtime_ns for path in output.glob("*.h5")
    }.items() >= kept.items()


def finished(output):
    """When each video's file was written; what a killed program left has a name with a dot."""
    return {path.name: path.stat().st_mtime_ns for path in output.glob("[a-z]*.h5")}


def kill_after_first_video(root, output, seconds=200):
    """Kill the flow job's program with a video done and more to do; what was done by then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = finished(output)
        if done and (process := program(root, "scripts/extract_flow.py")):
            os.kill(process, signal.SIGKILL)
            assert not (output / "shard0.csv").exists()
            return done
        time.sleep(0.02)
    raise AssertionError(f"no video's flow was there within {seconds} s")


def program(root, script):
    """The process id of a job's program, found by its arguments and folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            if words[1:2] == [script] and (process / "cwd").readlink() == root:
                return int(process.name)
        except OSError:
            continue
    return None
