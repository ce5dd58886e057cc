"""Exactly which rules an edit makes run again: nothing more, nothing less."""

import json
import os
import subprocess
import sys

import pytest
from workflow_project import VIDEOS, write_labels, write_video
from wstal.base.code_digest import code_digest

TARGET = "results/tiny/co2net_map.csv"
AFTER_TRAINING = {"score": 1, "localize": 1, "evaluate": 1, "summarize": 1, "headline": 1}
TRAINING = {"train": 1, **AFTER_TRAINING}
EVALUATION = {"evaluate": 1, "baselines": 1, "summarize": 1, "headline": 1}
OF_VIDEOS = {"probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish"}
CHECKPOINT = "results/tiny/demo_i3d/co2net/seed0/checkpoint.pt"


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
    path = copy.root / "workflow/wstal/methods/co2net/loss.py"
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
    for rule in OF_VIDEOS:
        assert listed[rule] == 1, rule
    assert listed["annotations"] == listed["manifest"] == listed["pack"] == listed["train"] == 1
    flow = copy.root / "results/tiny/demo_i3d/flow"
    before = {path: path.stat().st_mtime_ns for path in flow.glob("*.h5")}
    copy.snakemake("results/tiny/demo_i3d/features.h5")
    after = {path: path.stat().st_mtime_ns for path in flow.glob("*.h5")}
    assert {path.stem for path in after.keys() - before.keys()} == {"new"}
    assert all(after[path] == before[path] for path in before)


def test_a_segment_corrected_evaluates_again_and_trains_nothing(copy):
    segments = copy.root / "clips/segments.csv"
    segments.write_text(segments.read_text().replace("0.2,1.8", "0.1,1.1"))
    assert copy.rules(TARGET) == {"annotations": 1, **EVALUATION}
    pictures = [f"results/tiny/co2net/{each}" for each in ("timelines", "diagnosis")]
    listed = copy.rules(TARGET, "results/tiny/co2net_protocols.csv", *pictures)
    assert set(listed) == {"annotations", *EVALUATION, "ledger", "timelines", "diagnosis"}
    trained = (copy.root / CHECKPOINT).stat().st_mtime_ns
    copy.snakemake(TARGET)
    assert "1.1" in (copy.root / "results/tiny/annotations.json").read_text()
    assert (copy.root / CHECKPOINT).stat().st_mtime_ns == trained
    assert copy.rules(TARGET) == {}


def test_segments_that_come_later_or_go_train_nothing_either(copy):
    (copy.root / "clips/segments.csv").unlink()
    assert copy.rules(TARGET) == {"annotations": 1, **EVALUATION}
    copy.snakemake(TARGET)
    (copy.root / "clips/segments.csv").write_text("video,t_start,t_end,label\nd,0.4,1.6,sway\n")
    assert copy.rules(TARGET) == {"annotations": 1, **EVALUATION}


def test_a_label_corrected_trains_again_and_extracts_nothing(copy):
    write_labels(copy.root / "clips", {**VIDEOS, "b": ("sway", "train")})
    listed = copy.rules(TARGET)
    expected = {"labels": 1, "annotations": 1, "train": 1, **AFTER_TRAINING}
    assert listed.items() >= expected.items() and not OF_VIDEOS & set(listed)


def test_a_label_of_a_test_video_corrected_evaluates_again_and_trains_nothing(copy):
    clips = copy.root / "clips"
    write_labels(clips, {**VIDEOS, "d": ("orbit", "test")})
    assert copy.rules(TARGET) == {"annotations": 1, **EVALUATION}
    trained = (copy.root / CHECKPOINT).stat().st_mtime_ns
    copy.snakemake(TARGET)
    assert (copy.root / CHECKPOINT).stat().st_mtime_ns == trained
    assert "orbit" in (copy.root / "results/tiny/annotations.json").read_text()
    assert copy.rules(TARGET) == {}
    write_labels(clips, {**VIDEOS, "c": ("orbit", "train"), "d": ("orbit;sway", "test")})
    assert copy.rules(TARGET)["train"] == 1
    write_labels(clips, {**VIDEOS, "d": ("sway;wave", "test")})  # a class more for the networks
    assert copy.rules(TARGET)["train"] == 1


def test_a_video_that_changes_its_split_is_packed_and_trained_again(copy):
    write_labels(copy.root / "clips", {**VIDEOS, "b": ("orbit", "val")})
    listed = copy.rules(TARGET)
    assert listed["manifest"] == listed["pack"] == listed["train"] == 1
    assert not OF_VIDEOS & set(listed)


def test_another_limit_of_missing_videos_is_checked_and_trains_nothing(copy):
    raised = 'datasets={"tiny": {"max_missing": 2}}'
    checked = {"completeness": 1, "summarize": 1, "headline": 1}
    assert copy.rules(TARGET, "--config", raised) == checked
    copy.snakemake(TARGET, "--config", raised)
    assert copy.rules(TARGET, "--config", raised) == {}


def test_too_many_missing_videos_end_the_run_before_training(copy):
    write_labels(copy.root / "clips", {**VIDEOS, "ghost": ("orbit", "train")})
    trained = (copy.root / CHECKPOINT).stat().st_mtime_ns
    done = copy.snakemake(TARGET, "--config", 'datasets={"tiny": {"max_missing": 0}}', check=False)
    assert done.returncode
    assert "1 videos have no features, max_missing is 0: ghost" in done.stdout + done.stderr
    assert (copy.root / CHECKPOINT).stat().st_mtime_ns == trained
    copy.snakemake("results/tiny/demo_i3d/features.h5")


def test_a_mistake_in_own_label_files_ends_a_run_before_its_first_job(copy):
    """Also one that keeps going, and nothing made before is lost by it."""
    append(copy, "losses/norm.py")
    before = {path: path.read_bytes() for path in (copy.root / "results/tiny").glob("*.json")}
    mistakes = {"segments": ("e,0.2,1.8,sway", "'e' has no row"), "labels": ("e,sway,tset", "tset")}
    for name, (line, message) in mistakes.items():
        file = copy.root / f"clips/{name}.csv"
        right = file.read_bytes()
        file.write_bytes(right + f"{line}\n".encode())
        done = copy.snakemake(TARGET, "--keep-going", check=False)
        page = done.stdout + done.stderr
        assert done.returncode and message in page and f"clips/{name}.csv, line" in page
        assert "Finished jobid" not in page
        file.write_bytes(right)
    after = {path: path.read_bytes() for path in (copy.root / "results/tiny").glob("*.json")}
    assert after == before and copy.rules(TARGET) == TRAINING


def test_features_and_training_alone_ask_nothing_of_the_segments(copy):
    (copy.root / "clips/segments.csv").write_text("video,t_start,t_end,label\ne,0.2,1.8,sway\n")
    append(copy, "losses/norm.py")
    assert copy.rules(CHECKPOINT) == {"train": 1}


def test_settings_that_change_no_number_are_no_reason_to_compute_again(copy):
    sections = {
        "frames": {"decoder": "decord"},
        "flow": {"backend": "torch"},
        "i3d": {"batch": 4},
        "vggish": {"batch": 2},
    }
    override = "features=" + json.dumps({"demo_i3d": sections})
    assert copy.rules(TARGET, "--config", override) == {}
    override = 'features={"demo_i3d": {"i3d": {"tail": "repeat"}, "vggish": {"tail": "repeat"}}}'
    listed = copy.rules(TARGET, "--config", override)
    assert listed["i3d_rgb"] == listed["vggish"] == 3 and listed["train"] == 1
    assert "flow" not in listed


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
            code_digest(root / script, root / "workflow/wstal", ["wstal.methods.co2net.network"])
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
