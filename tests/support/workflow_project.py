"""A checkout to run Snakemake in, and what a small own-videos dataset is made of."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from wstal.config.why import dry_run_jobs
from wstal.demo.clips import render_clip

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
    "shards": 3,
    "note": "test data",
}


def write_video(path: Path, motion: str, seed: int, seconds: float = 2.0) -> None:
    """A rendered motion as an H.264 file without sound."""
    import av

    frames = render_clip(motion, seed, frames=int(25 * seconds))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


class Project:
    """A checkout to run Snakemake in."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run snakemake with the small dataset's configuration."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
        done = subprocess.run(
            [*command, "--rerun-incomplete", *arguments],
            cwd=self.root,
            text=True,
            capture_output=True,
        )
        if check and done.returncode:
            raise AssertionError(done.stdout[-3000:] + done.stderr[-6000:])
        return done

    def rules(self, target: str, *arguments: str) -> dict[str, int]:
        """The rules a dry run lists for a target, with the number of jobs of each."""
        done = self.snakemake("--dry-run", target, *arguments)
        counts: dict[str, int] = {}
        for job in dry_run_jobs(done.stdout + done.stderr):
            counts[job.rule] = counts.get(job.rule, 0) + 1
        return counts

    def copy(self, root: Path) -> Project:
        """Everything, times included, under another folder."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root)


def write_labels(folder: Path, videos: dict[str, tuple[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "labels", "split"])
        writer.writerows([name, motion, split] for name, (motion, split) in videos.items())
