"""Exactly which rules an edit makes run again: nothing more, nothing less."""

import json
import os
import subprocess
import sys

import pytest
from workflow_project import VIDEOS, write_labels, write_video
from wstal.codehash import code_digest

TARGET = "results/tiny/co2net_map.csv"
AFTER_TRAINING = {"score": 1, "localize": 1, "evaluate": 1, "summarize": 1, "headline": 1}
TRAINING = {"train": 1, **AFTER_TRAINING}


def append(project, module):
    """An edit with a meaning."""
    path = project.root / "workflow/wstal" / module
    path.write_text(path.read_text() + "\n\nEDITED = 1\n")


@pytest.fixture
def copy(finished_project, tmp_path):
    return finished_project.copy(tmp_path / "wstal")


def test_nothing_to_do_after_a_finished_run(finished_project):
    assert finished_project.rules(TARGET) == {}


def test_a_loss_edited_reruns_training_and_below(copy):
    append(copy, "losses/norm.py")
    assert copy.rules(TARGET) == TRAINING


def test_a_docstring_edited_and_touch_rerun_nothing(copy):
    path = copy.root / "workflow/wstal/losses/norm.py"
    path.write_text("# a comment\n" + path.read_text().replace('"""', '"""Edited. ', 1))
    for file in (copy.root / "workflow").rglob("*.py"):
        os.utime(file)
    for file in [copy.root / "Snakefile", *(copy.root / "scripts").glob("*.py")]:
        os.utime(file)
    assert copy.rules(TARGET) == {}


def test_suppression_edited_reruns_localization_without_training(copy):
    append(copy, "localize/nms.py")
    listed = copy.rules(TARGET)
    assert "train" not in listed and "score" not in listed
    assert listed["localize"] == 1 and listed["summarize"] == 1


def test_one_value_of_one_method_reruns_that_method_alone(copy):
    override = 'models={"co2net": {"train": {"lr": 0.002}}}'
    assert copy.rules(TARGET, "--config", override) == TRAINING


def test_a_video_added_reruns_its_shard_and_computes_it_alone(copy):
    clips = copy.root / "clips"
    write_video(clips / "new.mp4", "orbit", 99)
    write_labels(clips, {**VIDEOS, "new": ("orbit", "train")})
    listed = copy.rules(TARGET)
    for rule in ("probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish"):
        assert listed[rule] == 1, rule
    assert listed["annotations"] == listed["manifest"] == listed["pack"] == listed["train"] == 1
    flow = copy.root / "results/tiny/demo_i3d/flow"
    before = {path: path.stat().st_mtime_ns for path in flow.glob("*.h5")}
    copy.snakemake("results/tiny/demo_i3d/features.h5")
    after = {path: path.stat().st_mtime_ns for path in flow.glob("*.h5")}
    assert {path.stem for path in after.keys() - before.keys()} == {"new"}
    assert all(after[path] == before[path] for path in before)


def test_an_output_deleted_is_made_again_by_its_own_job_alone(copy):
    folder = copy.root / "results/tiny/demo_i3d/co2net/seed0"
    (folder / "proposals.json").unlink()
    assert copy.rules(TARGET) == {}  # the headline stands without it
    listed = copy.rules("results/tiny/demo_i3d/co2net/seed0/proposals.json")
    assert listed == {"localize": 1}
    (copy.root / TARGET).unlink()
    assert copy.rules(TARGET) == {"headline": 1}


def test_why_says_what_and_because_of_what(copy):
    append(copy, "losses/norm.py")
    command = [sys.executable, "scripts/why.py", TARGET, "--configfile", "tiny.yaml"]
    text = subprocess.run(command, cwd=copy.root, text=True, capture_output=True, check=True).stdout
    assert "train: 1 job, because its code changed" in text
    assert "summarize: 1 job, because a job before it runs" in text


def test_another_device_is_no_reason_to_compute_again(copy):
    assert copy.rules(TARGET, "--config", "device=cpu") == {}


def test_an_accepted_digest_keeps_what_the_old_code_made(copy, finished_project):
    append(copy, "losses/norm.py")
    pairs = {}
    for script in ("scripts/train.py", "scripts/score.py"):
        new, old = (
            code_digest(root / script, root / "workflow/wstal", ["wstal.models.co2net"])
            for root in (copy.root, finished_project.root)
        )
        assert new != old
        pairs[new] = old
    accept = "accept_code=" + json.dumps(pairs)
    assert copy.rules(TARGET, "--config", accept) == {}


def test_shipped_weights_count_by_content_not_by_date(copy):
    for path in (copy.root / "workflow/reference/weights").iterdir():
        os.utime(path)
    assert copy.rules(TARGET) == {}
