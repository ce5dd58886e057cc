"""Text that a shell would run, in every setting, label, id and path: it stays text."""

from __future__ import annotations

import csv
import re
import subprocess
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml
from workflow_project import (
    DATASET,
    VIDEOS,
    Project,
    copy_checkout,
    write_labels,
    write_video,
)

EVIL = "a b'\"$(touch OWNED)`touch OWNED`;touch OWNED&|<>\\{}*é"
LINES = f"{EVIL}\ntouch OWNED\n-rf"
STUB = """#!/bin/bash
printf '%s\\0' "$0" "$@" >> "$WORDS"
"""


def checkout(project, tmp_path) -> Project:
    """A checkout in a folder whose name a shell would run, with the labels of own videos."""
    root = tmp_path / f"up {EVIL.replace('{}', '')}" / "wstal"
    root.mkdir(parents=True)
    copy_checkout(project, root)
    return Project(root)


def shell_lines(text: str) -> list[str]:
    """The shell commands that `--dry-run --printshellcmds` lists."""
    return re.findall(r"^Shell command: (.*?)\n\n\[", text, re.M | re.S)


def run_stubbed(command: str, folder, words) -> list[str]:
    """What a shell passes to the programs of a command, which do nothing here."""
    words.write_bytes(b"")
    for log in re.findall(r"results/logs/[\w./-]+", command):
        (folder / log).parent.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": str(folder / "stubs"), "WORDS": str(words)}
    subprocess.run(["/bin/bash", "-euc", command], cwd=folder, env=environment, check=True)
    return words.read_text().split("\0")


def test_no_setting_is_run_by_a_shell(project, tmp_path, simulation):
    checked = checkout(project, tmp_path)
    root = checked.root
    for folder in (clips := root / f"clips {EVIL}", root / f"lists {EVIL}", root / "stubs"):
        folder.mkdir()
    for name in ("python", "tee", "cp"):
        (root / "stubs" / name).write_text(STUB)
        (root / "stubs" / name).chmod(0o755)
    write_labels(clips, {f"{name} {LINES}": about for name, about in VIDEOS.items()})
    (root / f"lists {EVIL}/all.json").write_text("{}")
    about = {"note": LINES, "title": LINES}
    own = {**DATASET, "videos": clips.name, "labels": f"{clips.name}/labels.csv"}
    public = {
        "kind": "activitynet",
        "settings": "activitynet12",
        "recipe": "wtalc_i3d",
        "protocol": "demo",
        "shards": 1,
    }
    drawn = simulation | {"videos": simulation["videos"] | {"twins": {LINES: EVIL}}}
    simulated = {"kind": "simulated", "recipe": "sim128", "simulate": drawn}
    datasets = {
        "tiny": {**own, **about, "proposals": {"given": EVIL}},
        "pub": {**public, **about, "labels": f"lists {EVIL}", "features": f"features {EVIL}"},
        "sim": {**simulated, **about, "seeds": [0]},
    }
    networks = {
        "i3d": {"weights": {"rgb": LINES, "flow": f"untrained{EVIL}"}},
        "vggish": {"weights": LINES, "postprocess": "pca", "pca": EVIL},
    }
    tables = {"co2net_table3": {"title": LINES}}
    protocols = {"demo": {"title": LINES, "list": LINES, "exclude": [LINES]}}
    content = {
        "datasets": datasets,
        "features": {"evil": networks},
        "tables": tables,
        "protocols": protocols,
    }
    (root / "tiny.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    targets = [
        *("results/tiny/evil/features.h5", "results/tiny/co2net_map.csv"),
        *("results/tiny/given/given/map.csv", "results/tiny/co2net/timelines"),
        *("results/tiny/co2net/viewer.html", "results/tiny/co2net_protocols.csv"),
        *("results/tables/co2net_table3.on_tiny.csv", "results/tiny/methods.csv"),
        *("results/pub/wtalc_i3d/features.h5", "results/sim/sim128/features.h5"),
    ]
    (root / EVIL).write_text("{}")
    done = checked.snakemake("--dry-run", "--printshellcmds", "--forceall", "--", *targets)
    commands = shell_lines(done.stdout + done.stderr)
    assert len(commands) > 60
    received = [run_stubbed(command, root, tmp_path / "words") for command in commands]
    found = {word for words in received for word in words}
    assert not list(tmp_path.rglob("OWNED"))
    whole = {LINES, f"untrained{EVIL}", EVIL, clips.name, f"{clips.name}/labels.csv"}
    whole |= {f"lists {EVIL}/all.json", f"features {EVIL}", f"--note={LINES}"}
    assert whole <= found  # each is one word, unchanged


def test_targets_that_a_shell_would_run_are_refused_by_name(project, tmp_path):
    checked = checkout(project, tmp_path)
    (checked.root / "tiny.yaml").write_text(yaml.safe_dump({"targets": [EVIL]}))
    done = checked.snakemake("--dry-run", check=False)
    assert done.returncode and "touch OWNED" in done.stdout + done.stderr
    assert not list(tmp_path.rglob("OWNED"))


@pytest.mark.slow
def test_a_run_in_a_hostile_folder_with_hostile_names_gives_its_numbers(project, tmp_path):
    checked = checkout(project, tmp_path)
    clips = checked.root / f"clips {EVIL}"
    clips.mkdir()
    names = {f"{name} {LINES}$x": motion for name, motion in VIDEOS.items()}
    label = {motion: f"{motion}$^{EVIL.replace(';', ',')}" for motion in ("orbit", "sway")}
    for seed, (name, (motion, _)) in enumerate(names.items()):
        write_video(clips / "new.mp4", motion, seed)
        (clips / "new.mp4").rename(clips / f"{name}.mp4")
    rows = {name: (label[motion], split) for name, (motion, split) in names.items()}
    write_labels(clips, rows)
    tested = next(name for name, (_, split) in rows.items() if split == "test")
    with (clips / "segments.csv").open("w", newline="") as file:
        segment = [tested, 0.2, 1.8, rows[tested][0]]
        csv.writer(file).writerows([["video", "t_start", "t_end", "label"], segment])
    tiny = {**DATASET, "videos": clips.name, "note": LINES, "title": LINES}
    training = {"co2net": {"train": {"iterations": 6, "score_interval": 3}}}
    content = {"datasets": {"tiny": tiny}, "methods": training}
    (checked.root / "tiny.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    pictures = [f"results/tiny/co2net/{name}" for name in ("viewer.html", "timelines", "diagnosis")]
    checked.snakemake("--", "results/tiny/co2net_map.csv", *pictures)
    assert not list(tmp_path.rglob("OWNED"))
    result = pd.read_csv(checked.root / "results/tiny/co2net_map.csv")
    assert set(result["coverage"]) == {"1/1 videos; 1/1 instances"}
    (figure,) = (checked.root / "results/tiny/co2net/timelines").glob("*.svg")
    ElementTree.parse(figure)
