"""Exactly which jobs an edit makes run again: nothing more, nothing less.

Snakemake hides the reasons of a job behind those of the jobs before it, so most edits have a dry
run of their own, on a checkout in which every method has finished. `PAIRS` names the jobs that an
edit itself reaches; what comes after them runs again in any case.
"""

import json
import os
import random
import shutil
from contextlib import contextmanager

import pytest
from workflow_project import VIDEOS, write_labels, write_video
from wstal.base.code_digest import code_digest

TARGET = "results/tiny/co2net_map.csv"
RECIPE = "results/tiny/demo_i3d"
ZERO_SHOT = "results/tiny/clip_frames/zero_shot_map.csv"
CHECKPOINT = f"{RECIPE}/co2net/seed0/checkpoint.pt"
AFTER_TRAINING = {"score": 1, "localize": 1, "evaluate": 1, "summarize": 1, "headline": 1}
TRAINING = {"train": 1, **AFTER_TRAINING}
EVALUATION = {"evaluate": 1, "baselines": 1, "summarize": 1, "headline": 1}
OF_VIDEOS = {"probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish"}

I3D = {"i3d_rgb", "i3d_flow"}
RUNS = {  # of each method, those that the checkout has finished
    "co2net": ["co2net", "co2net-mutual_kl"],
    "untrimmednet": ["untrimmednet"],
    "acn": ["acn-rgb"],
    "cavf": ["cavf"],
    "tssam": ["tssam"],
}
FINISHED = [
    TARGET,
    "results/tiny/co2net/viewer.html",
    "results/tiny/co2net/timelines",
    f"{RECIPE}/co2net-mutual_kl/seed0/checkpoint.pt",
    *[f"{RECIPE}/{runs[0]}/seed0/proposals.json" for runs in RUNS.values()],
]


def trained(*methods):
    """The trainings of these methods, or of all; UntrimmedNet's comes before ACN's."""
    methods = methods or RUNS
    runs = [run for method in methods for run in RUNS[method]]
    return {f"train {run}" for run in runs if run != "acn-rgb" or "untrimmednet" not in methods}


def localized(*methods):
    return {f"localize {RUNS[method][0]}" for method in methods or RUNS}


def files_of(method, *names):
    return [f"methods/{method}/{name}.py" for name in names]


# Edited files (under workflow/wstal), and the jobs that they reach.
PAIRS = [
    (["datasets/thumos14.py"], {"labels", "annotations"}),
    (["media/decoders/pyav.py"], {"probe", "annotations"}),  # both open videos
    (["media/decoders/decord.py"], {"frames"}),
    (["media/frames.py"], {"frames"}),
    (["media/sound.py"], {"audio"}),
    (["flow/definition.py"], {"flow"}),
    (["flow/tvl1_backends/tvl1.cpp"], {"flow"}),
    (["flow/tvl1_backends/torch.py"], {"flow"}),
    (["flow/tvl1_backends/triton.py"], {"flow"}),
    (["flow/algorithm.py"], {"flow"}),
    (["features/vggish_stage.py"], {"vggish"}),
    (["networks/vggish.py"], {"vggish"}),
    (["networks/i3d/network.py"], I3D),
    (["networks/i3d/inference.py"], I3D),
    (["networks/i3d/kernels.py"], I3D),
    (["features/rows.py"], I3D | {"vggish"}),
    (["features/pack.py"], {"pack"}),
    # The methods, as a grid: all that one method has, and each kind of file of all methods.
    *[(files_of(m, "network", "loss", "localize"), trained(m)) for m in RUNS],
    ([file for m in RUNS for file in files_of(m, "network")], trained()),
    ([file for m in RUNS for file in files_of(m, "loss")], trained()),
    ([file for m in RUNS for file in files_of(m, "localize")], localized()),
    # What methods share.
    (["losses/coactivity.py"], trained("co2net", "cavf")),
    (["train/loop.py"], trained()),
    (["localize/segments.py"], localized()),
    # What people look at.
    (["commands/evaluate.py"], {"evaluate co2net"}),
    (["evaluate/protocols.py"], {"evaluate co2net", "baselines"}),
    (["evaluate/average_precision.py"], {"evaluate co2net", "baselines"}),
    (["evaluate/summary.py"], {"summarize co2net"}),
    (["plots/over_time.py"], {"timelines"}),
    (["viewer/page.py"], {"viewer"}),
]
ZERO_SHOT_PAIRS = [  # with the baseline by the names of classes
    (["networks/text.py"], {"class_vectors"}),
    (["train/zero_shot.py"], {"zero_shot_score"}),
    (["methods/co2net/localize.py"], {"localize co2net", "zero_shot_localize"}),
    (["networks/backbones/transformers.py"], {"backbone", "class_vectors"}),
]
UNUSED = [  # by these targets
    "apply/localizer.py",
    "commands/console.py",  # the frame of every job
    "commands/localize.py",
    "demo/simulate.py",
    "evaluate/bootstrap.py",
    "evaluate/diagnosis.py",
    "features/compare.py",
    "networks/backbones/pytorchvideo.py",
    "tables/paper.py",
]


@pytest.fixture(scope="module")
def finished_methods(bare_project, tmp_path_factory):
    """A checkout in which every method, viewer and figure has finished, as far as a dry run sees.

    The files are empty: Snakemake compares their dates, and the parameters of their jobs.
    """
    copy = bare_project.copy(tmp_path_factory.mktemp("methods") / "wstal")
    for made in [copy.root / path for path in copy.plan(*FINISHED, ZERO_SHOT).makers]:
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch() if made.suffix else made.mkdir()
    copy.snakemake(*FINISHED, ZERO_SHOT, "--touch", "--forceall")
    return copy


@contextmanager
def edited(project, files):
    """Give each file an edit with a meaning, as long as the context lasts."""
    paths = [project.root / "workflow/wstal" / file for file in files]
    before = {path: path.read_bytes() for path in paths}
    for path in paths:
        edit = "\nEDITED = 1\n" if path.suffix == ".py" else "\nstatic const int edited = 1;\n"
        path.write_text(path.read_text() + edit)
    yield
    for path, content in before.items():
        path.write_bytes(content)


def reached(plan):
    """The jobs that run for a reason of their own, by rule and, if they belong to one, by run."""
    return {
        f"{job.rule} {run_of(job.outputs[0])}".strip()
        for job in plan.jobs
        if not job.reason.startswith("Input files updated by another job")
    }


def run_of(path):
    parts = path.removeprefix(f"{RECIPE}/").split("/")
    known = [run for runs in RUNS.values() for run in runs]
    return parts[0] if parts[0] in known else ""


@pytest.mark.parametrize(("files", "jobs"), PAIRS, ids=[files[0] for files, _ in PAIRS])
def test_an_edit_reaches_these_jobs_and_no_other(finished_methods, files, jobs):
    with edited(finished_methods, files):
        plan = finished_methods.plan(*FINISHED)
    assert reached(plan) == jobs


@pytest.mark.parametrize(("files", "jobs"), ZERO_SHOT_PAIRS, ids=[f[0] for f, _ in ZERO_SHOT_PAIRS])
def test_an_edit_reaches_these_jobs_of_the_baseline_and_no_other(finished_methods, files, jobs):
    with edited(finished_methods, files):
        plan = finished_methods.plan(*FINISHED, ZERO_SHOT)
    assert reached(plan) == jobs
    if jobs == {"class_vectors"}:  # its scores follow, and no score of a run
        made = {path for job in plan.jobs for path in job.outputs if path.endswith("scores.h5")}
        assert made == {ZERO_SHOT.replace("_map.csv", "/scores.h5")}


def test_a_default_reaches_the_runs_that_do_not_override_it(finished_methods):
    """Settings reach jobs as parameters, so their defaults are no part of the code's digest."""
    path = finished_methods.root / "workflow/wstal" / DEFAULT[0]
    before = path.read_text()
    path.write_text(before.replace(*DEFAULT[1:]))
    assert path.read_text() != before
    plan = finished_methods.plan(*FINISHED)
    path.write_text(before)
    assert reached(plan) == {"train co2net"}


DEFAULT = ("methods/co2net/loss.py", 'mutual: Distance = "mse"', 'mutual: Distance = "mae"')


@pytest.mark.parametrize(
    ("settings", "jobs"),
    [
        ({"methods": {"co2net": {"train": {"lr": 0.002}}}}, trained("co2net")),
        ({"methods": {"cavf": {"localize": {"thresholds": {"start": 0.4}}}}}, localized("cavf")),
        ({"features": {"demo_i3d": {"flow": {"bound": 15}}}}, {"flow"}),
        (
            {"features": {"demo_i3d": {s: {"tail": "repeat"} for s in ("i3d", "vggish")}}},
            {"i3d_rgb", "i3d_flow", "vggish"},
        ),
        (
            {"protocols": {"demo": {"tious": [0.1, 0.3, 0.5, 0.7, 0.9]}}},
            {"evaluate co2net", "baselines"},
        ),
    ],
)
def test_a_setting_reaches_these_jobs_and_no_other(finished_methods, settings, jobs):
    options = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    assert reached(finished_methods.plan(*FINISHED, "--config", *options)) == jobs


def test_what_changes_no_number_reruns_nothing(finished_methods):
    """Docstrings, comments, dates, other code, another device, decoder, backend and batch."""
    root = finished_methods.root
    path = root / "workflow/wstal/methods/co2net/loss.py"
    before = path.read_text()
    path.write_text("# a comment\n" + before.replace('"""', '"""Edited. ', 1))
    for file in [
        *(root / "workflow/wstal").rglob("*.py"),
        *(root / "workflow/reference/weights").iterdir(),
        *(root / "scripts").glob("*.py"),
        root / "Snakefile",
    ]:
        os.utime(file)
    sections = {
        "frames": {"decoder": "decord"},
        "flow": {"backend": "torch"},
        "i3d": {"batch": 4},
        "vggish": {"batch": 2},
    }
    override = "features=" + json.dumps({"demo_i3d": sections})
    with edited(finished_methods, UNUSED):
        plan = finished_methods.plan(*FINISHED, "--config", override, "device=cpu")
    path.write_text(before)
    assert not plan.jobs


# The files of a dataset.


@pytest.fixture
def copy(finished_project, tmp_path):
    return finished_project.copy(tmp_path / "wstal")


def append(project, module):
    """An edit with a meaning."""
    path = project.root / "workflow/wstal" / module
    path.write_text(path.read_text() + "\n\nEDITED = 1\n")


def test_nothing_to_do_after_a_finished_run(finished_project):
    assert not finished_project.rules(TARGET)


@pytest.mark.parametrize("kept", [True, False])
def test_a_copy_with_other_dates_trains_and_decodes_nothing(copy, kept):
    """As `cp -r` leaves it, and `git clone`, which leaves out .snakemake too; content decides."""
    files = [path for path in sorted(copy.root.rglob("*")) if ".snakemake" not in path.parts]
    random.Random(0).shuffle(files)
    for number, path in enumerate(files):
        os.utime(path, (1e9 + number, 1e9 + number))
    if not kept:
        shutil.rmtree(copy.root / ".snakemake")
    assert not copy.rules(TARGET)
    features = copy.root / RECIPE / "features.h5"
    with features.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    listed = copy.rules(TARGET)
    assert listed["train"] == listed["score"] == 1 and not OF_VIDEOS & set(listed)


def test_a_video_added_reruns_its_shard_and_computes_it_alone(copy):
    clips = copy.root / "clips"
    write_video(clips / "new.mp4", "orbit", 99)
    write_labels(clips, {**VIDEOS, "new": ("orbit", "train")})
    listed = copy.rules(TARGET)
    for rule in OF_VIDEOS:
        assert listed[rule] == 1, rule
    assert listed["annotations"] == listed["manifest"] == listed["pack"] == listed["train"] == 1
    flow = copy.root / RECIPE / "flow"
    before = {path: path.stat().st_mtime_ns for path in flow.glob("*.h5")}
    copy.snakemake(f"{RECIPE}/features.h5")
    after = {path: path.stat().st_mtime_ns for path in flow.glob("*.h5")}
    assert {path.stem for path in after.keys() - before.keys()} == {"new"}
    assert all(after[path] == before[path] for path in before)


def test_what_only_tests_know_evaluates_again_and_trains_nothing(copy):
    """A segment corrected, the label of a test video, segments that go and come back."""
    clips = copy.root / "clips"
    segments = clips / "segments.csv"
    right = segments.read_text()
    segments.write_text(right.replace("0.2,1.8", "0.1,1.1"))
    pictures = [f"results/tiny/co2net/{each}" for each in ("timelines", "diagnosis")]
    plan = copy.plan(TARGET, "results/tiny/co2net_protocols.csv", *pictures)
    assert plan.rules(TARGET) == {"annotations": 1, **EVALUATION}
    assert set(plan.rules()) == {"annotations", *EVALUATION, "ledger", "timelines", "diagnosis"}
    trained = (copy.root / CHECKPOINT).stat().st_mtime_ns
    segments.unlink()
    write_labels(clips, {**VIDEOS, "d": ("orbit", "test")})
    assert copy.rules(TARGET) == {"annotations": 1, **EVALUATION}
    copy.snakemake(TARGET)
    assert (copy.root / CHECKPOINT).stat().st_mtime_ns == trained
    assert "orbit" in (copy.root / "results/tiny/annotations.json").read_text()
    assert not copy.rules(TARGET)
    segments.write_text(right)
    assert copy.rules(TARGET) == {"annotations": 1, **EVALUATION}
    copy.snakemake(TARGET)
    segments.write_text(right.replace("0.2", "0.3"))
    os.utime(segments, (1e9, 1e9))  # put back from a backup, with its date
    assert copy.rules(TARGET) == {"annotations": 1, **EVALUATION}
    write_labels(clips, {**VIDEOS, "d": ("sway;wave", "test")})  # a class more for the networks
    assert copy.rules(TARGET)["train"] == 1


def test_a_label_corrected_trains_again_and_extracts_nothing(copy):
    write_labels(copy.root / "clips", {**VIDEOS, "b": ("sway", "train")})
    listed = copy.rules(TARGET)
    expected = {"labels": 1, "annotations": 1, "train": 1, **AFTER_TRAINING}
    assert listed.items() >= expected.items() and not OF_VIDEOS & set(listed)


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
    assert not copy.rules(TARGET, "--config", raised)


def test_too_many_missing_videos_end_the_run_before_training(copy):
    write_labels(copy.root / "clips", {**VIDEOS, "ghost": ("orbit", "train")})
    trained = (copy.root / CHECKPOINT).stat().st_mtime_ns
    done = copy.snakemake(TARGET, "--config", 'datasets={"tiny": {"max_missing": 0}}', check=False)
    assert done.returncode
    assert "dataset tiny: 1 of 5 videos are not below clips.\n  ghost\n" in done.stderr
    assert (copy.root / CHECKPOINT).stat().st_mtime_ns == trained
    copy.snakemake(f"{RECIPE}/features.h5")


def test_a_mistake_in_own_label_files_ends_a_run_before_its_first_job(copy):
    """Also one that keeps going, and nothing made before is lost by it."""
    append(copy, "losses/mil.py")
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
        if name == "segments":  # training asks nothing of them
            assert copy.rules(CHECKPOINT) == {"train": 1}
        file.write_bytes(right)
    after = {path: path.read_bytes() for path in (copy.root / "results/tiny").glob("*.json")}
    assert after == before and copy.rules(TARGET) == TRAINING


def test_an_output_deleted_is_made_again_by_its_own_job_alone(copy):
    proposals = f"{RECIPE}/co2net/seed0/proposals.json"
    (copy.root / proposals).unlink()
    assert not copy.rules(TARGET)  # the headline does not need it any more
    (copy.root / TARGET).unlink()
    assert copy.rules(proposals) == {"localize": 1}
    assert copy.rules(TARGET) == {"headline": 1}


def test_why_says_what_and_because_of_what(copy):
    append(copy, "losses/mil.py")
    text = copy.wstal("why", TARGET, "--configfile", "tiny.yaml").stdout
    code, follows = text.split(" jobs because a job before it runs:")
    assert "1 job because the code changed:\n    train     1  results/tiny" in code
    assert "    summarize     1  results/tiny" in follows


def test_why_sees_a_dataset_of_the_command_line(bare_project, tmp_path):
    words = ("why", "results/other/annotations.json")
    given = {"datasets": {"other": {"kind": "folder", "videos": "clips", "recipe": "demo_i3d"}}}
    (bare_project.root / "other.yaml").write_text(json.dumps(given))
    named = bare_project.wstal(*words, "--configfile=other.yaml")
    told = bare_project.wstal(*words, "--config", f"datasets={json.dumps(given['datasets'])}")
    for done in (named, told):
        assert done.stdout.startswith("1 job because the output is not there:"), done.stderr
        assert "annotations     1  results/other/annotations.json" in done.stdout


def test_an_accepted_digest_keeps_what_the_old_code_made(copy, finished_project):
    append(copy, "losses/mil.py")
    pairs = {}
    for script in ("scripts/train.py", "scripts/score.py"):
        new, old = (
            code_digest(root / script, root / "workflow/wstal", ["wstal.methods.co2net.loss"])
            for root in (copy.root, finished_project.root)
        )
        assert new != old
        pairs[new] = old
    accept = "accept_code=" + json.dumps(pairs)
    assert not copy.rules(TARGET, "--config", accept)
