"""ACN learns from video-level labels: no annotated time, nor a statistic of it, reaches training.

AutoLoc's released THUMOS14 config weighs anchors by the lengths of annotated instances of the
training videos. ACN does not mention it, and it is temporal supervision.
"""

import json
from dataclasses import replace

import pytest
import torch
from acn_cases import acn_config, small_acn_set
from wstal.codehash import import_closure
from wstal.data.annotations import Annotations, read_annotations, training_view, write_annotations
from wstal.models import acn
from wstal.train.checkpoint import load
from wstal.train.run import RunFiles, train_run


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_acn_set(tmp_path_factory.mktemp("small"))


def train(folder, project, features, annotations, upstream):
    files = RunFiles(folder / "checkpoint.pt", folder / "log.csv", folder / "scores.h5")
    train_run(
        acn, features, annotations, acn_config(project), files, seed=0, code="",
        device=torch.device("cpu"), upstream=upstream,
    )  # fmt: skip
    return load(files.checkpoint)


def test_training_reads_a_file_without_times(small, tmp_path):
    _, annotations, _ = small
    assert any(entry["annotations"] for entry in annotations.database.values())
    write_annotations(tmp_path / "training_labels.json", training_view(annotations))
    text = (tmp_path / "training_labels.json").read_text()
    assert "segment" not in text
    entries = json.loads(text)["database"].values()
    assert all(entry["annotations"] == [] and entry["subset"] == "train" for entry in entries)


def test_the_rule_gives_training_that_file_alone(project):
    text = (project / "rules/train.smk").read_text().split("rule train:")[1].split("output:")[0]
    assert "training_labels.json" in text and "annotations.json" not in text


def test_other_segments_give_the_same_weights(small, tmp_path, project):
    features, annotations, upstream = small
    weak = training_view(annotations)
    write_annotations(tmp_path / "labels.json", weak)
    first = train(
        tmp_path / "a", project, features, read_annotations(tmp_path / "labels.json"), upstream
    )
    moved = {
        video: entry | {"annotations": [{"segment": [0.0, 0.64], "label": entry["labels"][0]}]}
        for video, entry in annotations.database.items()
    }
    second = train(
        tmp_path / "b", project, features, Annotations(annotations.classes, moved), upstream
    )
    assert first["model"].keys() == second["model"].keys()
    for name, weight in first["model"].items():
        assert torch.equal(weight, second["model"][name]), name


def test_other_scores_of_test_videos_give_the_same_weights(small, tmp_path, project):
    """The attention's quantiles in particular are those of training videos."""
    features, annotations, upstream = small
    other = {
        video: scores if annotations.database[video]["subset"] == "train"
        else replace(scores, attentions={n: a + 9 for n, a in scores.attentions.items()})
        for video, scores in upstream.videos.items()
    }  # fmt: skip
    first = train(tmp_path / "a", project, features, training_view(annotations), upstream)
    changed = replace(upstream, videos=other)
    second = train(tmp_path / "b", project, features, training_view(annotations), changed)
    for name, weight in first["model"].items():
        assert torch.equal(weight, second["model"][name]), name
    assert first["model"]["training_quantiles"].diff().ge(0).all()


def test_nothing_that_reads_segments_is_in_reach_of_the_loss(project):
    package = project / "workflow/wstal"
    for module in ("models/acn.py", "localize/acn.py"):
        files = import_closure(package / module, package)
        assert files
        for path in files:
            assert path.parent.name != "evaluate", path
            if path.name != "annotations.py":  # it holds them, for those who ask
                text = path.read_text()
                assert "ground_truth(" not in text and '["annotations"]' not in text, path
