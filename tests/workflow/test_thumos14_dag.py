"""THUMOS14 from nothing, from label files, and with stand-ins for its videos."""

import os
import re
import shutil
import sys

import pytest
import warm_python
import yaml
from workflow_project import COPIED

TARGET = "results/thumos14/co2net_map.csv"


@pytest.fixture
def checkout(project, tmp_path):
    for name in COPIED:
        source = project / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        ignore = {"ignore": shutil.ignore_patterns("__pycache__")} if source.is_dir() else {}
        copy(source, tmp_path / name, **ignore)
    return tmp_path


def snakemake(root, *arguments):
    # No way out: a test downloads nothing, whatever the machine can reach.
    closed = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    return warm_python.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=root,
        env=os.environ | closed | {"no_proxy": ""},
    )


def jobs(root, *arguments, targets=(TARGET,)):
    """Jobs per rule in a dry run's table."""
    done = snakemake(root, "--dry-run", "--quiet", "rules", *arguments, "--", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.M)
    return {rule: int(count) for rule, count in rows}


def place_labels(root, facts):
    """Official files with one video per class and subset."""
    folder = root / "data/thumos14/annotations"
    folder.mkdir(parents=True)
    for subset, word in (("val", "validation"), ("test", "test")):
        for number, label in enumerate(facts["classes"]):
            line = f"video_{word}_{number:07d}  1.0 2.5\n"
            (folder / f"{label}_{subset}.txt").write_text(line)
    (folder / "Ambiguous_test.txt").write_text("video_test_0001292  0.0 1.0\n")


@pytest.fixture(scope="module")
def facts(project):
    return yaml.safe_load((project / "workflow/reference/datasets/thumos14.yaml").read_text())


def test_an_empty_machine_resolves_and_ends_with_a_page(checkout):
    planned = jobs(checkout)
    assert planned["fetch_annotations"] == planned["annotations"] == 1
    assert planned["probe"] == planned["i3d_flow"] == 26 and planned["train"] == 3
    ended = snakemake(checkout, TARGET)
    assert ended.returncode != 0
    page = ended.stdout + ended.stderr
    for part in (
        "TH14_Temporal_annotations_validation.zip",
        "data/thumos14/annotations",
        "https://www.crcv.ucf.edu/THUMOS14/download.html",
        "register",
        "Terms: research use",
    ):
        assert part in page


def test_label_files_and_empty_stand_ins_for_the_videos_resolve(checkout, facts):
    place_labels(checkout, facts)
    videos = checkout / "data/thumos14/videos/deep"
    videos.mkdir(parents=True)
    for word in ("validation", "test"):
        for number in range(20):
            (videos / f"video_{word}_{number:07d}.mp4").touch()
    planned = jobs(checkout)
    assert "fetch_annotations" not in planned and planned["annotations"] == 1
    assert planned["probe"] == planned["frames"] == 26 and planned["headline"] == 1
    files = ("annotations", "training_labels", "videos")
    done = snakemake(checkout, *[f"results/thumos14/{name}.json" for name in files])
    assert done.returncode == 0, done.stdout + done.stderr
    report = (checkout / "results/thumos14/annotations_report.md").read_text()
    assert "| test | 21 | 213 | 20 | 3358 |" in report and "`ambiguous_only`" in report
    training = (checkout / "results/thumos14/training_labels.json").read_text()
    assert "video_test" not in training and "segment" not in training
    listed = (checkout / "results/thumos14/videos.json").read_text()
    assert "video_test_0001292" in listed
    assert not [word for word in ("segment", "ambiguous", "Diving") if word in listed]


def test_a_choice_in_the_config_reads_the_labels_again(checkout, facts):
    place_labels(checkout, facts)
    target = "results/thumos14/annotations_report.md"
    assert snakemake(checkout, target).returncode == 0
    choice = "datasets={thumos14: {choices: {ambiguous_only: leave_out}}}"
    done = snakemake(checkout, target, "--config", choice)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| test | 20 | 213 |" in (checkout / target).read_text()


def test_a_choice_about_times_leaves_what_training_reads(checkout, facts):
    place_labels(checkout, facts)
    files = ("annotations", "training_labels", "videos")
    targets = [f"results/thumos14/{name}.json" for name in files]
    assert snakemake(checkout, *targets).returncode == 0
    choice = "datasets={thumos14: {choices: {%s}}}"
    for times in ("zero_length: keep", "repeated: drop", "out_of_range: drop"):
        planned = jobs(checkout, "--config", choice % times, targets=targets)
        assert planned == {"annotations": 1, "total": 1}, times
    planned = jobs(checkout, "--config", choice % "cliff_diving: cliff_only", targets=targets)
    assert planned == {"annotations": 1, "labels": 1, "total": 2}


def test_labels_that_are_not_there_end_a_run_before_its_first_job(checkout, facts):
    """Also where the labels of before are there, and what was made of them."""
    place_labels(checkout, facts)
    override = "datasets={thumos14: {labels: /no/such/labels}}"
    made = [checkout / f"results/thumos14/{name}.json" for name in ("annotations", "videos")]
    for _ in ("at first", "with results"):
        for arguments in (TARGET, "--dry-run"), (str(made[0].relative_to(checkout)),):
            done = snakemake(checkout, *arguments, "--config", override)
            page = done.stdout + done.stderr
            assert done.returncode and "Finished jobid" not in page
            assert "thumos14: `labels:` names /no/such/labels, which is not there" in page
        done = snakemake(checkout, *(str(path.relative_to(checkout)) for path in made))
        assert done.returncode == 0 and all(path.is_file() for path in made)
    others = jobs(checkout, "--config", override, targets=["results/activitynet12/co2net_map.csv"])
    assert others["headline"] == 1


def test_the_other_datasets_resolve_on_an_empty_machine(checkout):
    targets = [f"results/{name}/manifest.csv" for name in ("activitynet12", "activitynet13", "ave")]
    done = snakemake(checkout, "--dry-run", "--quiet", "rules", "--", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
