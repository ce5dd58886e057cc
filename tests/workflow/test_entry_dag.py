"""Datasets that enter the DAG with published features, or with proposals."""

import json

import numpy as np
import pandas as pd
import pytest

VIDEOS = {"a": "train", "b": "train", "c": "train", "d": "test", "e": "test"}
CONFIG = """
features:
  small: {import: {layout: basnet, dims: {rgb: 8, flow: 8}}}
datasets:
  ready:
    kind: folder
    labels: own/labels.csv
    segments: own/segments.csv
    features: own/features
    source: features
    recipe: small
    protocol: demo
    seeds: [0]
    max_missing: 1
  scored:
    kind: folder
    labels: own/labels.csv
    segments: own/segments.csv
    source: proposals
    proposals: {perfect: own/perfect.json}
    protocol: demo
methods:
  co2net:
    model: {width: 8, attention_width: 4}
    data: {length: 10}
    train: {iterations: 4, score_interval: 2}
"""


@pytest.fixture(scope="module")
def checkout(bare_project, tmp_path_factory):
    copy = bare_project.copy(tmp_path_factory.mktemp("sources") / "wstal")
    folder = copy.root / "own"
    folder.mkdir()
    (copy.root / "tiny.yaml").write_text(CONFIG)
    labels = [f"{video},wave,{split}" for video, split in VIDEOS.items()]
    (folder / "labels.csv").write_text("\n".join(["video,labels,split", *labels]) + "\n")
    (folder / "segments.csv").write_text(
        "video,t_start,t_end,label\nd,1.0,4.0,wave\ne,2.0,6.0,wave\n"
    )
    return copy


def place_features(checkout):
    rng = np.random.default_rng(0)
    for video in "abcd":  # e has none
        for stream in ("rgb", "flow"):
            file = checkout.root / "own/features" / VIDEOS[video] / stream / f"v_{video}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, rng.random((30, 8), dtype=np.float32))


def test_published_features_go_to_map_without_any_video(checkout):
    target = "results/ready/co2net_map.csv"
    absent = checkout.snakemake(target, check=False)
    assert absent.returncode
    page = absent.stdout + absent.stderr
    assert "what to place, and where" in page and "own/features" in page
    place_features(checkout)
    listed = checkout.rules(target)
    assert listed["import_features"] == listed["train"] == 1
    assert not {"probe", "frames", "pack", "manifest"} & set(listed)
    checkout.snakemake(target, "results/ready/manifest.csv", "results/ready/missing.csv")
    result = pd.read_csv(checkout.root / target)
    assert result["metric"].str.startswith("mAP@").any()
    assert result["coverage"].str.startswith("1/2 videos").all()
    missing = pd.read_csv(checkout.root / "results/ready/missing.csv")
    assert missing["id"].tolist() == ["e"] and "published" in missing.loc[0, "reason"]
    manifest = pd.read_csv(checkout.root / "results/ready/manifest.csv").set_index("id")
    assert manifest.loc["a", "duration"] == pytest.approx(19.2)
    assert not checkout.rules(target)
    labels = checkout.root / "own/labels.csv"
    right = labels.read_bytes()
    labels.write_bytes(right.replace(b"e,wave", b"e,background"))
    listed = checkout.rules(target)
    assert "evaluate" in listed and not {"labels", "import_features", "train"} & set(listed)
    labels.write_bytes(right)
    lowered = ("--config", 'datasets={"ready": {"max_missing": 0}}')
    assert checkout.rules(target, *lowered) == {"completeness": 1, "summarize": 1, "headline": 1}
    done = checkout.snakemake(target, *lowered, check=False)
    assert done.returncode
    assert "1 videos have no features, max_missing is 0: e (missing" in done.stdout + done.stderr
    file = checkout.root / "own/features/train/rgb/v_a.npy"
    np.save(file, np.ones((30, 8), dtype=np.float32))
    assert checkout.rules(target)["import_features"] == 1


def test_given_proposals_are_scored_and_nothing_else_is_promised(checkout):
    results = {
        "d": [{"segment": [1.0, 4.0], "label": "wave", "score": 0.9}],
        "e": [{"segment": [2.0, 6.0], "label": "wave", "score": 0.8}],
    }
    path = checkout.root / "own/perfect.json"
    path.write_text(json.dumps({"version": "x", "results": results, "external_data": {}}))
    target = "results/scored/given/perfect/map.csv"
    checkout.snakemake(target)
    rows = pd.read_csv(checkout.root / target)
    means = rows[(rows["class"] == "all") & rows["metric"].str.startswith("mAP@")]
    assert len(means) and (means["value"] == 100).all() and set(rows["checkpoint"]) == {"given"}
    done = checkout.snakemake("--dry-run", "results/scored/co2net_map.csv", check=False)
    assert done.returncode and target in done.stdout + done.stderr
    done = checkout.snakemake("--dry-run", "results/scored/given/other/map.csv", check=False)
    assert "names perfect under `proposals:`" in done.stdout + done.stderr


def test_a_recipe_of_published_features_resolves_on_an_empty_machine(checkout):
    listed = checkout.rules("results/thumos14/wtalc_i3d/co2net/co2net_map.csv")
    assert listed["import_features"] == 1 and listed["train"] == 3 and "probe" not in listed
    done = checkout.snakemake(*("--dry-run", "results/ready/demo_i3d/features.h5"), check=False)
    assert "has no videos" in done.stdout + done.stderr


DETECTION = """
features:
  single: {streams: {rgb: imported}, import: {layout: streams, order: [rgb], dims: {rgb: 8}}}
datasets:
  tool:
    kind: folder
    labels: own/tool.json
    features: own/tool
    source: features
    recipe: single
    seeds: [0]
"""
ONE_STREAM = "methods: {tssam: {recipes: {single: {streams: [rgb]}}, train: {epochs: 2}}}"


def write_database(path, end):
    """Labels and segments in ActivityNet's format: five videos of one class."""
    database = {
        f"{video}.mp4": {
            "subset": {"train": "training", "test": "validation"}[split],
            "duration": 19.2,
            "annotations": [{"segment": [1.0, end], "label": "wave", "label_id": 0}],
        }
        for video, split in VIDEOS.items()
    }
    path.write_text(json.dumps({"database": database}))


def test_detection_files_and_features_of_another_tool_go_to_map(checkout, tmp_path):
    own = checkout.copy(tmp_path / "wstal")
    (own.root / "tiny.yaml").write_text(DETECTION)
    (own.root / "own/tool").mkdir()
    for seed, video in enumerate(VIDEOS):
        rows = np.random.default_rng(seed).random((30, 8), dtype=np.float32)
        np.save(own.root / f"own/tool/{video}_rgb.npy", rows)
        np.save(own.root / f"own/tool/{video}_fps.npy", np.float32(25))
    write_database(own.root / "own/tool.json", end=4.0)
    told = own.snakemake("results/tool/methods.csv", check=False)
    assert told.returncode and "no method suits dataset tool" in told.stdout + told.stderr
    (own.root / "tiny.yaml").write_text(DETECTION + ONE_STREAM)
    target = "results/tool/tssam_map.csv"
    own.snakemake(target)
    result = pd.read_csv(own.root / target)
    assert result["coverage"].str.startswith("2/2 videos; 2/2 instances").all()
    report = (own.root / "results/tool/annotations_report.md").read_text()
    assert "validation is tested" in report
    write_database(own.root / "own/tool.json", end=5.0)
    listed = own.rules(target)
    assert "evaluate" in listed and not {"labels", "import_features", "train"} & set(listed)
