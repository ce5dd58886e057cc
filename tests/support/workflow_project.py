"""A checkout to run Snakemake in, what it plans, and a small dataset of own videos."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import warm_python
import yaml

COPIED = ("Snakefile", "profiles", "rules", "scripts", "workflow", "envs", "pyproject.toml")
VIDEOS = {
    "a": ("orbit", "train"),
    "b": ("orbit", "train"),
    "c": ("sway", "train"),
    "d": ("sway", "test"),
}
DATASET = {
    "kind": "folder",
    "videos": "clips",
    "recipe": "demo_i3d",
    "protocol": "demo",
    "seeds": [0],
    "shards": 2,
    "note": "test data",
}
CONFIG = {
    "min_free": 0,  # of small disks
    "datasets": {"tiny": DATASET},
    "methods": {
        "co2net": {"train": {"iterations": 6, "score_interval": 3}},
    },
}


@dataclass(frozen=True)
class Job:
    """A job that a dry run lists."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str


class Plan:
    """The jobs of one dry run, and which of them each target needs."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.jobs = list(jobs)
        self.makers = {path: job for job in self.jobs for path in job.outputs}

    def needed(self, *targets: str) -> set[Job]:
        """The listed jobs that make the targets, and those before them."""
        found: set[Job] = set()
        waiting = [self.makers[target] for target in targets]
        while waiting:
            job = waiting.pop()
            if job not in found:
                found.add(job)
                waiting += [self.makers[path] for path in job.inputs if path in self.makers]
        return found

    def rules(self, *targets: str) -> Counter[str]:
        """The number of jobs of each rule that the targets need; of all without targets."""
        return Counter(job.rule for job in (self.needed(*targets) if targets else self.jobs))


def listed_jobs(text: str) -> list[Job]:
    """The jobs in the output of `snakemake --dry-run`."""
    jobs = []
    for rule, block in re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", text, re.M):
        fields = dict(line.strip().split(": ", 1) for line in block.splitlines() if ": " in line)
        inputs, outputs = (tuple(fields.get(k, "").split(", ")) for k in ("input", "output"))
        jobs.append(Job(rule, inputs, outputs, fields.get("reason", "")))
    return jobs


class Project:
    """A checkout to run Snakemake in."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def snakemake(self, *arguments: str, check: bool = True) -> CompletedProcess[str]:
        """Run snakemake with the small dataset's configuration."""
        options = ("--cores", "2", "--configfile", "tiny.yaml", "--rerun-incomplete")
        command = (sys.executable, "-m", "snakemake", *options, *arguments)
        done = warm_python.run(command, cwd=self.root)
        if check and done.returncode:
            raise AssertionError(done.stdout[-3000:] + done.stderr[-6000:])
        return done

    def wstal(self, *words: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
        """Run a command of this checkout's package, on one thread as a job of the DAG."""
        own = {"PYTHONPATH": str(self.root / "workflow"), "OMP_NUM_THREADS": "1"}
        command = (sys.executable, "-m", "wstal", *words)
        return warm_python.run(command, cwd=cwd or self.root, env=os.environ | own)

    def plan(self, *arguments: str) -> Plan:
        """What a dry run lists."""
        done = self.snakemake("--dry-run", *arguments)
        return Plan(listed_jobs(done.stdout + done.stderr))

    def rules(self, *arguments: str) -> Counter[str]:
        """The rules that a dry run lists, with the number of jobs of each."""
        return self.plan(*arguments).rules()

    def refusal(self, *arguments: str) -> str:
        """What a dry run that must fail prints."""
        done = self.snakemake("--dry-run", *arguments, check=False)
        assert done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    def copy(self, root: Path) -> Project:
        """Everything, times included, under another folder."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root)


def copy_checkout(project: Path, root: Path) -> None:
    """The files that a run needs, into an existing folder."""
    ignore = shutil.ignore_patterns("*.egg-info")
    for name in COPIED:
        if (project / name).is_dir():
            shutil.copytree(project / name, root / name, ignore=ignore)
        else:
            shutil.copy2(project / name, root / name)


def small_project(project: Path, root: Path) -> Project:
    """The files of a checkout without results in the new folder `root`, with small own videos."""
    root.mkdir()
    copy_checkout(project, root)
    (root / "clips").mkdir()
    for seed, (name, (motion, _)) in enumerate(VIDEOS.items()):
        write_video(root / "clips" / f"{name}.mp4", motion, seed)
    write_labels(root / "clips", VIDEOS)
    (root / "clips" / "segments.csv").write_text("video,t_start,t_end,label\nd,0.2,1.8,sway\n")
    (root / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    return Project(root)


def write_video(path: Path, motion: str, seed: int, seconds: float = 2.0) -> None:
    """A rendered motion as an H.264 file without sound."""
    import av
    from wstal.demo.pretrain import render_clip

    frames = render_clip(motion, seed, frames=int(25 * seconds))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def write_labels(folder: Path, videos: dict[str, tuple[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "labels", "split"])
        writer.writerows([name, motion, split] for name, (motion, split) in videos.items())


@dataclass(frozen=True)
class ShellJob:
    """A job's command as a list of words, without the file of its log, and its outputs."""

    rule: str
    outputs: tuple[str, ...]
    words: tuple[str, ...]


def shell_jobs(text: str) -> list[ShellJob]:
    """Return the jobs in the output of `snakemake --dry-run --printshellcmds`, in its order."""
    jobs = []
    block = r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)Shell command: ((?:.|\n)*?)\n(?=\n|\[)"
    for rule, fields, command in re.findall(block, text, re.M):
        (outputs,) = re.findall(r"^ {4}output: (.*)$", fields, re.M)
        words = shlex.split(re.split(r"\s(?:&>|\|&)", command)[0])
        jobs.append(ShellJob(rule, tuple(outputs.split(", ")), tuple(words)))
    return jobs
