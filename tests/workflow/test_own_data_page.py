"""docs/own_data.md as one story: its commands run word for word in an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from wstal.commands.demo_folder import write_answers
from wstal.demo.folder import plan_folder
from wstal.demo.videos import render_video

CO2NET = "results/mine/demo_i3d/co2net"
# Each command of the page, in order, and a file that it leaves or changes ("": it only prints).
STEPS = {
    "wstal demo-folder clips": "clips/answers/labels.csv",
    "wstal labels init clips": "clips/labels.csv",
    "cp clips/answers/labels.csv clips/": "clips/labels.csv",
    "wstal labels check clips": "",
    "cp clips/answers/segments.csv clips/": "clips/segments.csv",
    "wstal run results/mine/co2net_map.csv results/mine/co2net/viewer.html": "results/mine/co2net/viewer.html",
    "wstal run results/mine/co2net/operating.csv": f"{CO2NET}/seed0/segments.csv",
    f"wstal localize clips/clip_18.mp4 --run {CO2NET}/seed0 --min-score 0.5": "localized/clip_18.json",
    "wstal suggest results/mine/co2net --output check.csv": "check.csv",
    "wstal convert check.csv tasks_label_studio.json --videos clips": "tasks_label_studio.json",
    "wstal convert clips/answers/export_label_studio.json clips/segments.csv --videos clips --merge"
    " --labels clips/labels.csv": "clips/segments.csv",
    "wstal why results/mine/co2net_map.csv": "",
    "wstal run results/mine/co2net_map.csv": "results/mine/co2net_map.csv",
    f"wstal convert {CO2NET}/seed0/segments.csv found_via.json --to via --videos clips"
    " --min-score 0.5": "found_via.json",
    "wstal convert clips/segments.csv subtitles --to srt": "subtitles/clip_00.srt",
    "wstal run results/mine/untrimmednet_map.csv": "results/mine/untrimmednet_map.csv",
    "wstal compare results/mine/co2net results/mine/untrimmednet --page": "results/mine/compare_co2net_vs_untrimmednet.html",
}
CHEAP = re.compile(r"cp |wstal (labels|convert clips)")  # those that need no features


@pytest.fixture(scope="module")
def page(project):
    return (project / "docs/own_data.md").read_text()


def commands(page):
    blocks = re.findall(r"^```([^\n]*)\n(.*?)^```", page, re.S | re.M)
    joined = [re.sub(r"\\\n +", "", block) for kind, block in blocks if not kind]
    lines = [line for block in joined for line in block.splitlines()]
    return [re.split(r"\s+#", line)[0].strip() for line in lines]


def write_files(page, folder):
    for name, text in re.findall(r'^```yaml title="(.*?)"\n(.*?)^```', page, re.S | re.M):
        (folder / name).write_text(text)


def run(command, folder):
    """The command as a shell runs it where wstal is installed; what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=os.environ | own, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-6000:]}"
    return done.stdout + done.stderr


def test_every_command_of_the_page_is_a_step_of_the_tests(page):
    assert commands(page) == list(STEPS)
    assert sum(bool(CHEAP.match(step)) for step in STEPS) == 6


def test_the_cheap_commands_work_in_an_empty_folder(page, tmp_path):
    plans = plan_folder(0)
    clips = tmp_path / "clips"
    clips.mkdir()
    for plan in plans:
        (clips / f"{plan.id}.mp4").touch()
    write_answers(clips / "answers", plans)
    for plan in plans:
        if plan.id in ("clip_18", "clip_22"):  # whose frames the export counts
            render_video(plan, clips)
    write_files(page, tmp_path)
    for step, made in STEPS.items():
        if CHEAP.match(step):
            text = run(step, tmp_path)
            assert not made or (tmp_path / made).is_file(), step
            if "check" in step:
                assert "warning: Videos without labels: clip_22." in text
    check_merged(tmp_path)


def check_merged(folder):
    rows = pd.read_csv(folder / "clips/segments.csv")
    answers = {row.video: row for row in rows.itertuples()}
    (only,) = (a for p in plan_folder(0) if p.id == "clip_18" for a in p.actions)
    assert answers["clip_18"].t_start == pytest.approx(only.start, abs=0.04)
    assert answers["clip_18"].t_end == pytest.approx(only.end, abs=0.04)
    assert len(rows) == sum(len(p.actions) for p in plan_folder(0) if p.split == "test")
    labels = pd.read_csv(folder / "clips/labels.csv").set_index("video")
    assert labels.loc["clip_22.mp4", "labels"] == "spin" and len(labels) == 27


@pytest.mark.slow
def test_the_whole_page_runs_in_an_empty_folder(page, tmp_path):
    write_files(page, tmp_path)
    printed = {}
    for step, made in STEPS.items():
        before = (tmp_path / made).stat().st_mtime_ns if (tmp_path / made).is_file() else None
        printed[step] = run(step, tmp_path)
        if made and not step.startswith("cp"):
            assert (tmp_path / made).stat().st_mtime_ns != before, f"{step} left no new {made}"
    check_merged(tmp_path)
    first = printed["wstal run results/mine/co2net_map.csv results/mine/co2net/viewer.html"]
    assert "videos of co2net_map.csv: 12 to train on (train), 14 to score (test)" in first
    assert "1 of 27 videos have no features" in first and "It took " in first
    assert f"page: {(tmp_path / 'results/mine/co2net/viewer.html').as_uri()}" in first
    table = pd.read_csv(tmp_path / "results/mine/co2net_map.csv")
    assert set(table["reading"]) == {"strict", "baseline"}
    assert table["coverage"].str.startswith("14/14 videos").any()  # all are annotated now
    suggested = printed["wstal suggest results/mine/co2net --output check.csv"]
    assert "annotate next (2 of 2 candidates):" in suggested
    why = printed["wstal why results/mine/co2net_map.csv"]
    assert "evaluate" in why and not re.search(r"\b(train|extract\w*|flow|pack)\b", why)
    localized = json.loads((tmp_path / "localized/clip_18.json").read_text())
    assert "clip_18" in localized["results"]
    # The same seed of the folder gives the same videos.
    (plan,) = (plan for plan in plan_folder(0) if plan.id == "clip_18")
    again = render_video(plan, tmp_path).path.read_bytes()
    assert again == (tmp_path / "clips/clip_18.mp4").read_bytes()
