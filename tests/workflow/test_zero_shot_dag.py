"""The baseline zero_shot from videos to mAP, with a tiny random CLIP."""

import json

import pandas as pd
import pytest
import yaml
from backbone_cases import save_tiny_clip
from workflow_project import CONFIG, DATASET
from wstal.localize.scores import read_scores

SIZE = {"short_side": 32, "crop": 32}
SECTION = {"window": 4, "every": 4, "weights": "own_clip", "entry": {"width": 24}, **SIZE}
RECIPE = {"streams": {"rgb": "clip_base"}, "clip_base": SECTION}
FOLDER = "results/tiny/tiny_clip"


def test_names_of_classes_go_to_map_and_prompts_change_no_feature(bare_project, tmp_path):
    pytest.importorskip("transformers")
    own = bare_project.copy(tmp_path / "wstal")
    save_tiny_clip(own.root / "own_clip")
    datasets = {"tiny": {**DATASET, "shards": 1}}
    config = CONFIG | {"features": {"tiny_clip": RECIPE}, "datasets": datasets}
    (own.root / "tiny.yaml").write_text(yaml.safe_dump(config))
    refused = own.refusal("results/tiny/demo_i3d/zero_shot_map.csv")
    assert "recipe demo_i3d has no stream in a space with text" in refused
    assert "clip_frames" in refused and "clip_base" in refused
    target = f"{FOLDER}/zero_shot_map.csv"
    own.snakemake(target)
    rows = pd.read_csv(own.root / target)
    assert set(rows["run"]) == {"zero_shot"} and set(rows["n"]) == {1}
    assert rows["metric"].str.startswith("mAP@").any()
    note = "baseline: names of classes alone, no training labels; test data"
    assert set(rows["note"]) == {note}
    scores = read_scores(own.root / f"{FOLDER}/zero_shot/scores.h5")
    assert scores.classes == ["orbit", "sway"] and list(scores.videos) == ["d"]
    assert scores.provenance["zero_shot"]["stream"] == "rgb"
    about = json.loads((own.root / f"{FOLDER}/zero_shot/proposals.json").read_text())
    assert "d" in about["results"]
    assert not own.rules(target)
    text = {"text": {"prompts": ["{}"], "background": ["nothing"]}}
    (own.root / "tiny.yaml").write_text(yaml.safe_dump(config | {"backbones": {"clip_base": text}}))
    assert set(own.rules(target)) == {
        *("class_vectors", "zero_shot_score", "zero_shot_localize", "zero_shot_evaluate"),
        "zero_shot",
    }
