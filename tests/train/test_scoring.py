"""Checkpoints, and trained networks applied to whole videos."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from acn_cases import small_acn_set
from method_configs import SMALL_CO2NET, method_config, small_config
from small_set import write_small_set
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.config.layers import merged
from wstal.config.protocols import read_protocol
from wstal.datasets.annotations import write_annotations
from wstal.evaluate.ground_truth import read_ground_truth
from wstal.evaluate.map_table import checkpoint_rows, detection_rows
from wstal.evaluate.protocols import prepare
from wstal.features.pack import FeatureFile
from wstal.localize.scores import ScoreHistory
from wstal.methods.co2net.network import NetworkSettings
from wstal.methods.contract import Output, RunSettings, TrainingHalf, localization_half
from wstal.train import checkpoint
from wstal.train.data import Standardization
from wstal.train.loop import run_config
from wstal.train.run import RunFiles, train_run
from wstal.train.scoring import Scorer, load_network, score_checkpoint, video_score


def test_round_trip_with_weights_only(tmp_path):
    content = {"model": {"w": torch.arange(3.0)}, "config": {"a": [1, "b", None]}, "versions": {}}
    checkpoint.save(tmp_path / "c.pt", content)
    raw = torch.load(tmp_path / "c.pt", weights_only=True)
    assert raw["config"] == content["config"]
    loaded = checkpoint.load(tmp_path / "c.pt")
    assert torch.equal(loaded["model"]["w"], content["model"]["w"])


def test_equal_content_is_equal_bytes_whatever_the_name(tmp_path):
    for name in ("a.pt", "other.pt"):
        checkpoint.save(tmp_path / name, {"w": torch.ones(4), "versions": checkpoint.versions()})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.pt").write_text("no")
    torch.save({"w": 1}, tmp_path / "foreign.pt")
    torch.save({"f": print}, tmp_path / "code.pt")
    for name in ("text.pt", "code.pt", "absent.pt"):
        with pytest.raises(WstalError, match=f"{name} is not a readable checkpoint"):
            checkpoint.load(tmp_path / name)
    with pytest.raises(WstalError, match="not a checkpoint of this project"):
        checkpoint.load(tmp_path / "foreign.pt")


def test_versions_are_plain_text():
    assert all(type(value) is str for value in checkpoint.versions().values())


CPU = torch.device("cpu")
NOTHING = Standardization(torch.empty(0), torch.empty(0))


def test_video_score_is_the_softmax_of_the_strongest_eighth():
    cas = torch.randn(17, 4, dtype=torch.float64)
    raw = np.sort(cas.numpy(), axis=0)[-3:].mean(0)  # ceil(17 / 8)
    expected = np.exp(raw) / np.exp(raw).sum()
    np.testing.assert_allclose(video_score(cas, "logits"), expected[:-1], rtol=1e-12)
    np.testing.assert_allclose(video_score(cas, "probability"), raw[:-1], rtol=1e-12)


def test_a_checkpoint_scores_val_and_test_as_the_model_does(tmp_path, project):
    path, annotations = write_small_set(tmp_path)
    files = RunFiles(tmp_path / "c.pt", tmp_path / "l.csv", tmp_path / "s.h5")
    config = small_config(project)
    with FeatureFile(path) as features:
        train_run(features, annotations, config, files, seed=0, code="", device=CPU)
        scores = score_checkpoint(files.checkpoint, features, ["val", "test"], CPU)
        x = torch.from_numpy(features.read("v09", ["rgb", "flow"]))
    assert set(scores.videos) == {"v08", "v09", "v10"}
    assert scores.iteration == 12 and scores.step == 0.64 and scores.activation == "logits"
    assert scores.provenance["config"]["method"] == "co2net"
    content = checkpoint.load(files.checkpoint)
    model = load_network(content, run_config(config), CPU)
    with torch.no_grad():
        output = model(Standardization(**content["standardization"])(x)[None])
    video = scores.videos["v09"]
    np.testing.assert_allclose(video.cas, output.logits[0], atol=1e-6)
    np.testing.assert_allclose(video.attentions["flow"], output.attention_flow[0], atol=1e-6)
    np.testing.assert_allclose(
        video.video_score, video_score(output.logits[0], "logits"), atol=1e-6
    )


CUT = {
    "co2net": {**SMALL_CO2NET},
    "cavf": {"train": {"iterations": 12, "score_interval": 5}, "data": {"length": 12}},
    # Every video is read at eight snippets, and the scores are mapped back to all that it has.
    "tssam": {
        "model": {"test_length": 8},
        "data": {"length": 8, "batch": 4},
        "train": {"epochs": 5, "score_interval": 2},
    },
    "untrimmednet": {"train": {"epochs": 5, "score_interval": 2}},
    "acn-rgb": {"model": {"anchors": [1, 2, 4]}, "train": {"epochs": 5, "score_interval": 2}},
}


@pytest.mark.parametrize("run", CUT)
def test_the_last_iterate_is_the_same_in_both_score_files(tmp_path, project, run):
    """So the best on test is never below the last iterate: equal scores, equal detections."""
    features, annotations, upstream = small_acn_set(tmp_path, test=6)
    streams = {} if run == "acn-rgb" else {"streams": ["rgb", "flow"]}
    if run == "cavf":
        streams = {"streams": ["rgb", "flow", "audio"]}
    given = upstream if run == "acn-rgb" else None
    config = method_config(project, run, "demo", changes=merged(CUT[run], streams))
    files = RunFiles(tmp_path / "c.pt", tmp_path / "l.csv", tmp_path / "s.h5")
    train_run(features, annotations, config, files, seed=0, code="", device=CPU, upstream=given)
    last = score_checkpoint(files.checkpoint, features, ["test"], CPU, upstream=given)
    history = {scores.iteration: scores for scores in ScoreHistory(files.scores)}
    assert len(history) == 3 and last.iteration == max(history)
    for video, values in history[last.iteration].videos.items():
        for name, array in last.videos[video].arrays().items():
            stored = values.arrays()[name]
            assert stored.dtype == array.dtype, name
            np.testing.assert_array_equal(stored, array, err_msg=name)

    method = localization_half(run.partition("-")[0])
    settings = from_plain(method.settings, config["localize"])
    detections = {n: method.localize(scores, settings) for n, scores in history.items()}
    write_annotations(tmp_path / "gt.json", annotations)
    truth = read_ground_truth(tmp_path / "gt.json")
    for name in ("demo", "demo_snippets"):
        protocol = read_protocol(name)
        best = checkpoint_rows(truth, protocol, detections, None, ["best_test"])
        prepared = prepare(truth, method.localize(last, settings), protocol)
        rows = [*detection_rows(prepared, protocol, "last"), *best]
        value = {
            row["checkpoint"]: row["value"]
            for row in rows
            if (row["metric"], row["class"]) == ("mAP@0.1:0.7", "all")
        }
        assert value["best_test"] >= value["last"]


def test_features_of_another_width_are_refused(tmp_path, project):
    path, annotations = write_small_set(tmp_path)
    files = RunFiles(tmp_path / "c.pt", tmp_path / "l.csv", tmp_path / "s.h5")
    with FeatureFile(path) as features:
        train_run(features, annotations, small_config(project), files, seed=0, code="", device=CPU)
    (tmp_path / "wide").mkdir()
    wide, _ = write_small_set(tmp_path / "wide", dim=7)
    with FeatureFile(wide) as features, pytest.raises(WstalError, match="trained on features of"):
        score_checkpoint(files.checkpoint, features, ["test"], CPU)


@pytest.mark.parametrize(
    ("streams", "names"),
    [
        (["rgb", "flow"], {"rgb", "flow"}),
        (["rgb", "audio"], {"rgb", "audio"}),
        (["rgb", "flow", "audio"], {"rgb+flow", "audio"}),
    ],
)
def test_co2nets_attentions_have_the_names_of_the_streams(tmp_path, project, streams, names):
    path, annotations = write_small_set(tmp_path)
    config = run_config(small_config(project, streams=streams))
    model = config.method.build(config.run, {"rgb": 6, "flow": 6, "audio": 3}, 3)
    with FeatureFile(path) as features:
        scorer = Scorer(config, features, ["v09"], annotations.classes, NOTHING, CPU)
        attentions = scorer(model, 1).videos["v09"].attentions
        output = model.eval()(torch.from_numpy(features.read("v09", streams))[None])
    assert set(attentions) == names
    np.testing.assert_allclose(attentions[streams[-1]], output.attention_flow[0].detach())


class Fixed(torch.nn.Module):
    def forward(self, x):
        cas = torch.full((1, x.shape[1], 4), 0.25)
        return Output(cas, cas[..., 0], x, {"video_score": torch.tensor([[0.1, 0.2, 0.3]])})


@dataclass(frozen=True)
class FixedRun(RunSettings):
    streams: tuple[str, ...] = ("rgb",)
    model: NetworkSettings = NetworkSettings()


FIXED = SimpleNamespace(
    run=FixedRun(),
    method=TrainingHalf(
        name="fixed",
        run_settings=FixedRun,
        loss_settings=NetworkSettings,
        build=lambda run, dims, classes: Fixed(),
        loss=lambda output, batch, settings: (output.cas.sum(), {}),
        activation="probability",
        video_score="video_score",
    ),
)


def test_a_method_may_have_its_own_video_score_and_keeps_its_mode(tmp_path):
    path, annotations = write_small_set(tmp_path, t0=0.32)
    with FeatureFile(path) as features:
        scorer = Scorer(FIXED, features, ["v09"], annotations.classes, NOTHING, CPU)
        model = Fixed().train()
        scores = scorer(model, 7, seed=3)
    assert model.training and scores.iteration == 7 and scores.provenance == {"seed": 3}
    assert scores.activation == "probability"
    assert (scores.t0, scores.step) == (0.32, 0.64)
    assert scores.videos["v09"].video_score.tolist() == pytest.approx([0.1, 0.2, 0.3])
