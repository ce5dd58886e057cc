"""Names and files of a hostile folder: rows with a reason, nothing that runs, hangs or escapes."""

from __future__ import annotations

import csv
import os
import pickle
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from video_clips import write_clip
from wstal.base.errors import WstalError
from wstal.base.files import write_json
from wstal.train import checkpoint

CANARY = "OWNED"
NAMES = [  # of videos; each is a name that a file system takes
    "$(touch OWNED)", "`touch OWNED`", "a;touch OWNED", "a|touch OWNED", "a&touch OWNED&",
    "a\ntouch OWNED\n", "'; touch OWNED; '", '"; touch OWNED; "', "a > OWNED", "=cmd|' OWNED'!A0",
    "+1+1", "-rf", "--help", "@SUM(A1)", "{wildcard}", "{{x}}", "%s%n", "a%2Fb", "~", "~root",
    "*", "?", "[a]", "\\", "\\n", "a\tb", " a ", "#a", "!a", "a:b", "a,b", "a b", "$HOME",
    "${OWNED}", "<script>", "&amp;", "../../a", "CON", "a\x01b", "é", "动作", "\u202eabc",
    "x" * 190, ".hidden", "a$^2$",
]  # fmt: skip
UNFOUND = ("../../a", ".hidden", " a ")  # outside, hidden; spaces around a name are dropped
SPECIAL = ("fifo", "socket", "folder", "device", "empty", "text", "loop", "dangling")
TIME = 120  # s for a job that opens something that blocks


@pytest.fixture
def counts(table):
    return table.setdefault("hostile input", Counter())


def special_file(path: Path, kind: str) -> None:
    """Make a file that is not a video at `path`."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "dangling":
        path.symlink_to("/nonexistent/OWNED")
    else:
        path.write_text("$(touch OWNED)" if kind == "text" else "")


def test_hostile_names_are_videos_and_special_files_are_rows(
    project, tmp_path, counts, monkeypatch
):
    clips = tmp_path / "clips"
    clips.mkdir()
    monkeypatch.chdir(clips)  # a socket's path must be short
    whole = write_clip(tmp_path / "whole.mp4", 10, size=(64, 48))
    for name in NAMES:
        if "/" not in name:
            os.link(whole, clips / f"{name}.mp4")
    for kind in SPECIAL:
        special_file(clips / f"{kind}.mp4", kind)
    videos = [*NAMES, *SPECIAL]
    with (clips / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "labels", "split"])
        splits = ["test", *["train"] * len(videos)]
        writer.writerows(
            [f"{n}.mp4", "run", split] for n, split in zip(videos, splits, strict=False)
        )
    own = {"PYTHONPATH": str(project / "workflow"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, project / "scripts/probe_videos.py", "--annotations"]
    command += [clips / "labels.csv", "--videos", clips, "--output", tmp_path / "out/shard0.csv"]
    done = subprocess.run(
        command, cwd=clips, env=os.environ | own, capture_output=True, text=True, timeout=TIME
    )
    counts["tried"] += len(videos)
    counts["executed"] += len(list(tmp_path.rglob(CANARY)))
    said = {path.name for path in tmp_path.rglob("*") if not path.is_relative_to(clips)}
    if done.returncode:  # refused as a whole: the message must name what to change
        assert "Traceback" not in done.stderr, done.stderr
        counts["lost"] += len(videos)
        pytest.fail(done.stderr)
    rows = pd.read_csv(tmp_path / "out/shard0.csv", keep_default_na=False, dtype=str)
    bad = rows[~rows["status"].isin(["ok", "no_audio"])]
    assert (bad["reason"] != "").all()
    assert len(rows) == len(set(rows["id"])) and len(rows) == len(videos)
    good = rows[rows["status"].isin(["ok", "no_audio"])]
    assert len(good) == len(NAMES) - len(UNFOUND) and (good["frames"] == "10").all()
    counts["survived"] += len(videos)
    assert not counts["executed"] and "passwd" not in said


class Touch:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


def test_pickles_that_run_programs_are_refused(tmp_path, counts):
    canary = tmp_path / CANARY
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Touch(canary)))
    torch.save({"model": Touch(canary)}, tmp_path / "zip.pt")
    for name in ("raw.pt", "zip.pt"):
        counts["tried"] += 1
        with pytest.raises(WstalError) as refused:
            checkpoint.load(tmp_path / name)
        assert "weights_only=False" not in str(refused.value)  # torch's advice to load it anyway
        counts["executed"] += canary.exists()
        counts["survived"] += not canary.exists()
    assert not canary.exists()


def test_labels_that_are_not_labels_are_refused_by_name(project, tmp_path, counts):
    own = {"PYTHONPATH": str(project / "workflow")}
    tested = {"t": {"subset": "testing", "labels": ["a"], "duration": 9, "annotations": []}}
    train = {"subset": "training", "labels": ["a"], "annotations": []}
    bad = {
        "string": {"v": train | {"labels": "run"}} | tested,
        "empty": {"v": train | {"labels": [""]}} | tested,
        "negative": {"v": train | {"duration": -5}} | tested,
        "huge": {"v": train | {"duration": 1e308}} | tested,
        "list": [],
    }
    for name, database in bad.items():
        path = tmp_path / f"{name}.json"
        write_json(path, {"database": database})
        code = (
            "import sys; from wstal.datasets.folder import read_own_labels\n"
            "from wstal.commands.console import Program\n"
            "Program('', lambda add: add('path'), lambda args: print("
            "read_own_labels(args.path)[0].classes)).run()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path], env=os.environ | own, capture_output=True, text=True
        )
        counts["tried"] += 1
        if done.returncode == 0:
            counts["silent"] += 1
        elif "Traceback" in done.stderr or name not in done.stderr:
            counts["lost"] += 1
        else:
            counts["survived"] += 1
    assert not counts["silent"] and not counts["lost"]
