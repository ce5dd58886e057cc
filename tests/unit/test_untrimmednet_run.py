"""UntrimmedNet through training, scoring and localization; and from AutoLoc's files."""

import numpy as np
import pytest
import torch
import yaml
from published_features import annotations, features, recipe, write_autoloc
from small_set import write_small_set
from wstal.config.layers import merged, resolve_run
from wstal.evaluate import detection_map
from wstal.features.importers.autoloc import find_autoloc
from wstal.features.importers.conversion import convert_features
from wstal.features.pack import FeatureFile
from wstal.localize.scores import ScoreHistory
from wstal.localize.untrimmednet import localize
from wstal.models import untrimmednet
from wstal.train.run import RunFiles, train_run
from wstal.train.scoring import score_checkpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model_yaml(project):
    return yaml.safe_load((project / "workflow/config/models/untrimmednet.yaml").read_text())


def run(config, path, labels, folder):
    files = RunFiles(folder / "c.pt", folder / "log.csv", folder / "s.h5")
    with FeatureFile(path) as features:
        train_run(untrimmednet, features, labels, config, files, seed=0, code="", device=CPU)
        scores = score_checkpoint(files.checkpoint, features, ["train", "test"], CPU)
    return files, scores


@pytest.mark.parametrize("streams", [["rgb", "flow"], ["flow"]])
def test_it_learns_where_actions_are(tmp_path, model_yaml, streams):
    path, labels = write_small_set(tmp_path, train=24, test=6)
    config = resolve_run(model_yaml, "thumos14", None)
    train = {"lr": 0.03, "epochs": 60, "score_interval": 30}
    dropout = {"rgb": 0.2, "flow": 0.2}  # six channels are few to lose four of five
    cut = {"streams": streams, "model": {"dropout": dropout}, "train": train}
    files, scores = run(merged(config, cut), path, labels, tmp_path)
    losses = np.genfromtxt(files.log, delimiter=",", names=True)
    assert losses["total"][-1] < 0.5 * losses["total"][0]
    assert ScoreHistory(files.scores).iterations == [60, 120]
    videos = scores.videos.values()
    names = {f"{kind}_{s}" for s in streams for kind in ("cas", "video_score")}
    assert all(v.extra.keys() == names and v.attentions.keys() == set(streams) for v in videos)
    assert all(not v.cas[:, 3].any() for v in videos)
    found = localize(scores, config["localize"])
    truth = [
        {"video_id": video, "t_start": s[0], "t_end": s[1], "label": label}
        for video in labels.ids("test")
        for a in labels.database[video]["annotations"]
        for s, label in [(a["segment"], a["label"])]
    ]
    import pandas as pd

    found = found[found["video_id"].isin(labels.ids("test"))]
    assert detection_map(pd.DataFrame(truth), found, [0.3])["map"][0] > 0.6


def test_from_published_files_without_training(tmp_path, model_yaml):
    """AutoLoc's numbers come out of the score file; the grid is 15 frames at 30 fps."""
    content = features(rows=24)
    source = tmp_path / "att_unfused/val.all.tsv"
    activations = write_autoloc(source, content, classes=1)
    settings = recipe("autoloc", order=["flow", "rgb"], fps=30, snippet=15, stride=15, rates=[30])
    labels = annotations(duration=12.3)
    with_rows = find_autoloc(source.parent, settings["import"])
    path = tmp_path / "features.h5"
    convert_features(
        path, with_rows, labels, settings, dataset="thumos14", recipe_name="autoloc_unt"
    )
    config = resolve_run(model_yaml, "thumos14", None, "autoloc_unt")
    files, scores = run(config, path, labels, tmp_path)
    assert ScoreHistory(files.scores).iterations == [1]
    assert (scores.t0, scores.step) == (0.0, 0.5)
    for video, own in scores.videos.items():
        flow, rgb = np.moveaxis(activations[video], 1, 0)
        np.testing.assert_allclose(own.extra["cas_flow"], flow, rtol=1e-6)
        np.testing.assert_allclose(own.cas[:, :1], (flow + rgb) / 2, rtol=1e-6)
        rows = np.arange(len(flow))
        np.testing.assert_array_equal(own.attentions["flow"], rows)
        np.testing.assert_array_equal(own.attentions["rgb"], -rows)
        assert own.video_score.tolist() == pytest.approx([1.0])
