"""Real clips of mixed codecs, sizes and rates through the whole DAG, without segments."""

import csv
import json
import shutil

import h5py
import pandas as pd
import pytest
from wstal.base.array_store import read_attrs, read_shard

HANDFUL = {
    "v_Archery_g03_c03.avi": ("archery", "train"),
    "carving_ice.mp4": ("ice", "train"),
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": ("ice", "train"),
    "pose_squats.mp4": ("archery", "test"),
    "corrupted.mp4": ("ice", "test"),
    "empty.mp4": ("ice", "train"),
}
RENAMED = {"test_avi.avi": "test.avi"}  # beside test.mp4: one id may not be two files
ALL_TEST = {"test_avi.avi", "test.mp4", "nasa_13013.mp4", "demo.mp4", "corrupted.mp4"}


def prepare(bare_project, reference, tmp_path, videos, recipe):
    project = bare_project.copy(tmp_path / "wstal")
    folder = project.root / "own clips"  # a space in a path is the user's right
    folder.mkdir()
    for name in videos:
        if name == "empty.mp4":
            (folder / name).touch()
        else:
            shutil.copy(reference / "data/videos" / RENAMED.get(name, name), folder / name)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "labels", "split"])
        writer.writerows([name, label, split] for name, (label, split) in videos.items())
    (project.root / "tiny.yaml").write_text(
        "datasets:\n  own: {kind: folder, videos: own clips, shards: 1, seeds: [0], "
        f"recipe: {recipe}}}\n"
        "methods:\n  co2net: {data: {length: 20}, train: {iterations: 4, score_interval: 2}}\n"
    )
    return project


def check(project, videos, recipe, width):
    result = pd.read_csv(project.root / "results/own/co2net_map.csv")
    assert "video_mAP" in set(result["metric"])
    assert not result["metric"].str.contains("@").any()
    assert result["note"].str.contains("no segments").all()
    manifest = pd.read_csv(project.root / "results/own/manifest.csv").set_index("id")
    assert len(manifest) == len(videos)
    refused = manifest[manifest["status"].isin(["broken", "missing"])]
    assert refused["reason"].notna().all()
    coverage = pd.read_csv(project.root / f"results/own/{recipe}/coverage.csv").set_index("id")
    with h5py.File(project.root / f"results/own/{recipe}/features.h5") as features:
        for video, row in manifest.drop(refused.index).iterrows():
            group = features[video]
            assert coverage.loc[video, "rows"] == group["rgb"].shape[0]
            assert group["rgb"].shape == group["flow"].shape == (group["rgb"].shape[0], width)
            frames = int(row["duration"] * 25 + 0.999)
            assert abs(group["rgb"].shape[0] - max(1, frames // 16)) <= 1
    return manifest


def test_a_handful_of_clips_ends_in_video_level_map(bare_project, reference, tmp_path):
    project = prepare(bare_project, reference, tmp_path, HANDFUL, "demo_i3d")
    done = project.snakemake("results/own/co2net_map.csv")
    manifest = check(project, HANDFUL, "demo_i3d", 256)
    assert manifest.loc["corrupted", "status"] in ("partial", "broken")
    assert "frames" in manifest.loc["corrupted", "reason"]
    assert manifest.loc["empty", "status"] == "broken"  # and the run went on without it
    squats = manifest.loc["pose_squats"]
    assert squats["height"] > squats["width"] and abs(squats["fps"] - 5) < 1
    log = (project.root / "results/logs/own/demo_i3d/co2net/seed0/train.log").read_text()
    assert "single training video train without pairs: archery" in log
    assert "100%" in done.stdout + done.stderr


@pytest.mark.slow
def test_all_clips_at_full_size(bare_project, reference, tmp_path):
    present = {path.name for path in (reference / "data/videos").iterdir()}
    names = sorted(present - set(RENAMED.values()) | set(RENAMED))
    videos = {
        name: (("odd", "even")[i % 2], "test" if name in ALL_TEST else "train")
        for i, name in enumerate(names)
    }
    project = prepare(bare_project, reference, tmp_path, videos, "i3d_untrained")
    project.snakemake("results/own/co2net_map.csv")
    check(project, videos, "i3d_untrained", 1024)
    result = pd.read_csv(project.root / "results/own/co2net_map.csv")
    assert result["note"].str.contains("untrained weights").all()


def test_missing_weights_are_refused_with_the_place_to_get_them(
    bare_project, tmp_path, monkeypatch
):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # a test downloads nothing
    monkeypatch.setenv("no_proxy", "")
    project = bare_project.copy(tmp_path / "wstal")
    done = project.snakemake("results/weights/rgb_imagenet.pt", "--retries", "0", check=False)
    assert done.returncode
    page = done.stdout + done.stderr
    assert "This run needs 1 file of weights (about 51 MB):" in page
    assert "https://" in page and "place: results/weights/rgb_imagenet.pt" in page
    assert "wstal weights fetch i3d_rgb_imagenet" in page and "cannot be reached" in page
    assert not (project.root / "results/logs/weights").exists()  # no job has started


# `wstal localize` finds in a video file what the DAG found in it.

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
    best = round(max(entry["score"] for entry in dag["results"]["d"]), 3) + 0.0  # never "-0.000"
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
