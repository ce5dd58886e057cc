"""THUMOS14 from nothing, from label files, and with stand-ins for its videos."""

import pytest
import yaml

TARGET = "results/thumos14/co2net_map.csv"
LABELS = [f"results/thumos14/{name}.json" for name in ("annotations", "training_labels", "videos")]
REPORT = "results/thumos14/annotations_report.md"
ELSEWHERE = "datasets={thumos14: {labels: /no/such/labels}}"


@pytest.fixture(scope="module", autouse=True)
def no_network():
    """A test downloads nothing, whatever the machine can reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        patch.setenv("no_proxy", "")
        yield


@pytest.fixture
def empty(bare_project, tmp_path):
    return bare_project.copy(tmp_path / "wstal")


@pytest.fixture(scope="module")
def labelled(bare_project, project, tmp_path_factory):
    """Official files with one video per class and subset, and empty stand-ins for the videos."""
    checkout = bare_project.copy(tmp_path_factory.mktemp("thumos14") / "wstal")
    facts = project / "workflow/reference/datasets/thumos14.yaml"
    folder = checkout.root / "data/thumos14/annotations"
    folder.mkdir(parents=True)
    for subset, word in (("val", "validation"), ("test", "test")):
        for number, label in enumerate(yaml.safe_load(facts.read_text())["classes"]):
            line = f"video_{word}_{number:07d}  1.0 2.5\n"
            (folder / f"{label}_{subset}.txt").write_text(line)
    (folder / "Ambiguous_test.txt").write_text("video_test_0001292  0.0 1.0\n")
    videos = checkout.root / "data/thumos14/videos/deep"
    videos.mkdir(parents=True)
    for word in ("validation", "test"):
        for number in range(20):
            (videos / f"video_{word}_{number:07d}.mp4").touch()
    return checkout


def test_an_empty_machine_resolves_and_ends_with_a_page(empty):
    others = [f"results/{name}/manifest.csv" for name in ("activitynet12", "activitynet13", "ave")]
    plan = empty.plan(TARGET, *others)
    planned = plan.rules(TARGET)
    assert planned["fetch_annotations"] == planned["annotations"] == 1
    assert planned["probe"] == planned["i3d_flow"] == 26 and planned["train"] == 3
    assert all(plan.rules(target)["manifest"] == 1 for target in others)
    ended = empty.snakemake(TARGET, check=False)
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


def test_label_files_and_empty_stand_ins_for_the_videos_resolve(labelled):
    planned = labelled.rules(TARGET)
    assert "fetch_annotations" not in planned and planned["annotations"] == 1
    assert planned["probe"] == planned["frames"] == 26 and planned["headline"] == 1
    assert "names /no/such/labels, which is" in refused(labelled, LABELS[0])  # no results yet
    labelled.snakemake(*LABELS)
    report = (labelled.root / REPORT).read_text()
    assert "| test | 21 | 213 | 20 | 3358 |" in report and "`ambiguous_only`" in report
    training = (labelled.root / LABELS[1]).read_text()
    assert "video_test" not in training and "segment" not in training
    listed = (labelled.root / LABELS[2]).read_text()
    assert "video_test_0001292" in listed
    assert not [word for word in ("segment", "ambiguous", "Diving") if word in listed]


@pytest.fixture(scope="module")
def read(labelled):
    """A checkout in which the labels were read."""
    labelled.snakemake(*LABELS)
    return labelled


def refused(checkout, *arguments):
    done = checkout.snakemake(*arguments, "--config", ELSEWHERE, check=False)
    page = done.stdout + done.stderr
    assert done.returncode and "Finished jobid" not in page
    return page


def test_a_choice_about_times_leaves_what_training_reads(read):
    choice = "datasets={thumos14: {choices: {%s}}}"
    times = "zero_length: keep, repeated: drop, out_of_range: drop"
    assert read.rules(*LABELS, "--config", choice % times) == {"annotations": 1}
    planned = read.rules(*LABELS, "--config", choice % "cliff_diving: cliff_only")
    assert planned == {"annotations": 1, "labels": 1}


def test_labels_that_are_not_there_end_a_run_before_its_first_job(read):
    """Also where the labels of before are there, and what was made of them."""
    for arguments in (TARGET, "--dry-run"), (LABELS[0],):
        page = refused(read, *arguments)
        assert "thumos14: `labels:` names /no/such/labels, which is not there" in page
    assert all((read.root / path).is_file() for path in LABELS)
    others = read.rules("results/thumos14_sim/co2net_map.csv", "--config", ELSEWHERE)
    assert others["headline"] == 1


def test_a_choice_in_the_config_reads_the_labels_again(read, tmp_path):
    again = read.copy(tmp_path / "wstal")
    choice = "datasets={thumos14: {choices: {ambiguous_only: leave_out}}}"
    again.snakemake(REPORT, "--config", choice)
    assert "| test | 20 | 213 |" in (again.root / REPORT).read_text()
