"""`wstal localize` finds in a video file what the DAG found in it."""

import json

import pytest
from wstal.base.array_store import read_attrs, read_shard

RUN = "results/tiny/demo_i3d/co2net/seed0"


def localize(project, *arguments, cwd=None):
    return project.wstal("localize", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def localized(finished_project, tmp_path_factory):
    """A good video of the test split, a broken and an absent one, from another folder."""
    folder = tmp_path_factory.mktemp("localized")
    (folder / "broken.mp4").write_bytes(b"nothing")
    clip = finished_project.root / "clips/d.mp4"
    run = finished_project.root / RUN
    done = localize(finished_project, "broken.mp4", "no.mp4", clip, "--run", run, cwd=folder)
    return done, folder / "localized"


def test_segments_and_scores_are_those_of_the_dag(finished_project, localized):
    done, folder = localized
    dag = json.loads((finished_project.root / RUN / "proposals.json").read_text())
    content = json.loads((folder / "d.json").read_text())
    assert content["results"] == {"d": dag["results"]["d"]} and dag["results"]["d"]
    about, known = (each["external_data"]["provenance"] for each in (content, dag))
    assert about["localize"] == known["localize"] and about["iteration"] == known["iteration"]
    assert about["training"]["config"] == known["config"]
    assert about["inference"]["run"] == "tiny/demo_i3d/co2net/seed0"
    assert about["video"]["file"] == "d.mp4" and len(about["video"]["sha256"]) == 64
    assert "<svg" in (folder / "d.svg").read_text()
    best = max(entry["score"] for entry in dag["results"]["d"])
    assert f"{best:.3f}" in done.stdout and "d (0:02.0, no_audio), co2net seed0: " in done.stdout


@pytest.mark.parametrize("stage", ["frames", "i3d_rgb", "i3d_flow"])
def test_features_are_those_of_the_dag_under_the_same_keys(finished_project, localized, stage):
    stages = finished_project.root / "results/tiny/demo_i3d"
    records = [each for path in (stages / stage).glob("*.csv") for each in read_shard(path)]
    of_dag = next(each for each in records if each.id == "d")
    ours = read_attrs(localized[1] / f"cache/demo_i3d/{stage}/d.h5")
    assert (ours["key"], ours["sha256"]) == (of_dag.key, of_dag.sha256)


def test_bad_videos_are_told_at_the_end_and_cost_no_other(localized):
    done, folder = localized
    assert done.returncode == 1
    broken, absent = done.stderr.splitlines()[-2:]
    assert broken.startswith("broken.mp4: nothing localized, broken: ") and "no.mp4" in absent
    assert "Traceback" not in done.stderr and "warning" not in done.stderr
    assert {path.name for path in folder.iterdir()} == {"cache", "d.json", "d.svg"}


def test_a_recipe_edited_since_is_refused(finished_project, tmp_path):
    changed = tmp_path / "change.yaml"
    changed.write_text("features: {demo_i3d: {flow: {bound: 15}}}\n")
    options = ["--run", RUN, "--output", tmp_path / "out", "--configfile", changed]
    done = localize(finished_project, "clips/d.mp4", *options)
    assert done.returncode == 1 and "demo_i3d was changed since the run" in done.stderr
    assert not (tmp_path / "out").exists()
