"""UntrimmedNet: heads, mixture of chunks and detector by hand; from features and AutoLoc's files."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from method_configs import method_config
from published_features import annotations, features, import_settings, write_autoloc
from small_set import write_small_set
from wstal.base.errors import WstalError
from wstal.config.layers import merged
from wstal.evaluate import detection_map
from wstal.features.importers.autoloc import find_autoloc
from wstal.features.importers.conversion import convert_features
from wstal.features.pack import FeatureFile
from wstal.localize.proposals import detection_frame
from wstal.localize.scores import ScoreHistory, Scores, VideoScores, read_scores, write_scores
from wstal.losses.mil import probability_loss
from wstal.methods.contract import Batch
from wstal.methods.untrimmednet.localize import (
    LocalizeSettings,
    extended,
    localize,
    proposals,
)
from wstal.methods.untrimmednet.loss import LossSettings, check_length, chunk_mixture, loss
from wstal.methods.untrimmednet.network import (
    NetworkSettings,
    RunSettings,
    StreamHead,
    attended_logits,
    attentions,
    build,
    prepare,
    stored,
)
from wstal.train.loop import run_config
from wstal.train.run import RunFiles, train_run
from wstal.train.scoring import score_checkpoint

DIMS = {"rgb": 5, "flow": 4}


TRAINED = RunSettings(model=NetworkSettings(dropout={"rgb": 0.8, "flow": 0.7}))


@pytest.fixture
def config(project):
    return method_config(project, "untrimmednet")


@pytest.fixture
def given(project):
    return run_config(method_config(project, "untrimmednet", recipe="autoloc_unt")).run


def spread(model, scale=1.0):
    """Weights large enough that snippets differ."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=scale)
    return model.eval().double()


def test_published_settings(project, config):
    assert config["model"]["dropout"] == {"rgb": 0.8, "flow": 0.7}
    train = config["train"]
    assert (train["optimizer"], train["lr"], train["weight_decay"]) == ("adam", 1e-3, 5e-4)
    assert (train["epochs"], config["data"]["batch"]) == (60, 16)
    assert train["schedule"] == {"at": [pytest.approx(2 / 3, abs=1e-4)], "factor": 0.1}
    assert method_config(project, "untrimmednet", "activitynet12")["train"]["epochs"] == 20
    assert (config["loss"]["chunks"], config["data"]["length"]) == (7, 21)


def test_initial_weights():
    torch.manual_seed(0)
    model = build(TRAINED, {"rgb": 400, "flow": 400}, 20)
    for head in model.heads.values():
        assert head.action.weight.detach().std().item() == pytest.approx(1e-3, rel=0.1)
        assert head.attention.weight.detach().std().item() == pytest.approx(1e-3, rel=0.2)
        assert not head.action.bias.any() and not head.attention.bias.any()
    assert model.heads["rgb"].dropout.p == 0.8 and model.heads["flow"].dropout.p == 0.7


def test_scores_by_hand():
    torch.manual_seed(0)
    model = spread(build(TRAINED, DIMS, 3))
    x = torch.randn(1, 6, 9).double()
    out = model(x)
    parts = {"rgb": x[0, :, :5].numpy(), "flow": x[0, :, 5:].numpy()}
    scps, videos, raw = [], [], []
    for stream, rows in parts.items():
        head = model.heads[stream]
        weight, bias = (p.detach().numpy() for p in head.action.parameters())
        logits = rows @ weight.T + bias
        a_weight, a_bias = (p.detach().numpy() for p in head.attention.parameters())
        attention = (rows @ a_weight.T + a_bias)[:, 0]
        scp = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        weights = np.exp(attention / 3) / np.exp(attention / 3).sum()
        video = np.exp(weights @ logits) / np.exp(weights @ logits).sum()
        np.testing.assert_allclose(out.extra[f"cas_{stream}"][0].detach(), scp, atol=1e-12)
        np.testing.assert_allclose(
            out.extra[f"attention_{stream}"][0].detach(), attention, atol=1e-12
        )
        np.testing.assert_allclose(
            out.extra[f"video_score_{stream}"][0].detach(), video, atol=1e-12
        )
        scps.append(scp), videos.append(video), raw.append(attention)
    np.testing.assert_allclose(out.cas[0, :, :3].detach(), np.mean(scps, 0), atol=1e-12)
    assert not out.cas[..., 3].any()  # no background
    np.testing.assert_allclose(out.attention[0].detach(), np.mean(raw, 0), atol=1e-12)
    np.testing.assert_allclose(out.extra["video_score"][0].detach(), np.mean(videos, 0), atol=1e-12)


def test_streams_learn_apart():
    """A stream alone has the loss and gradient that it has beside the other."""
    torch.manual_seed(0)
    both = spread(build(TRAINED, DIMS, 3), 0.5)
    alone = build(replace(TRAINED, streams=("flow",)), DIMS, 3).eval().double()
    alone.load_state_dict({k: v for k, v in both.state_dict().items() if "flow" in k})
    x, labels = torch.randn(4, 21, 9).double(), torch.eye(4, 3).double()
    labels[3, :2] = 1
    total, terms = loss(both(x), Batch(x, labels), LossSettings())
    one, own = loss(alone(x[..., 5:]), Batch(x[..., 5:], labels), LossSettings())
    assert list(terms) == ["mil_rgb", "mil_flow"]
    assert total.item() == pytest.approx(sum(t.item() for t in terms.values()))
    assert one.item() == own["mil_flow"].item() == pytest.approx(terms["mil_flow"].item())
    total.backward()
    one.backward()
    for a, b in zip(both.heads["flow"].parameters(), alone.heads["flow"].parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_dropout_is_shared_by_both_heads():
    head = StreamHead(300, 1, 0.8).train()
    with torch.no_grad():
        head.action.weight.copy_(head.attention.weight)
    out = head(torch.rand(2, 3, 300))
    assert torch.equal(out.logits[..., 0], out.attention)


def test_configurations_that_cannot_be(config):
    with pytest.raises(WstalError, match="data.length is 20: give a multiple .* 21"):
        check_length(20, LossSettings())
    with pytest.raises(WstalError, match="data.length is null"):
        run_config(merged(config, {"data": {"length": None}}))
    with pytest.raises(WstalError, match="no rate for the stream audio"):
        build(replace(TRAINED, streams=("rgb", "audio")), {**DIMS, "audio": 2}, 3)


def published(classes=3, rows=21, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(2, rows, classes)) * 4
    scp = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    attention = rng.normal(size=(2, rows, 1)) * 5
    return logits, scp, attention, torch.from_numpy(np.concatenate([*scp, *attention], 1))[None]


def widths(classes):
    return {"rgb_scp": classes, "flow_scp": classes, "rgb_attention": 1, "flow_attention": 1}


def test_published_outputs_pass_through(given):
    """The video's score is that of the logits, which are not published."""
    logits, scp, attention, x = published()
    model = build(given, widths(3), 3)
    assert not list(model.parameters())
    out = model(x)
    for i, stream in enumerate(("rgb", "flow")):
        np.testing.assert_allclose(out.extra[f"cas_{stream}"][0], scp[i], atol=1e-12)
        np.testing.assert_array_equal(out.extra[f"attention_{stream}"][0], attention[i, :, 0])
        weights = np.exp(attention[i, :, 0] / 3) / np.exp(attention[i, :, 0] / 3).sum()
        video = np.exp(weights @ logits[i])
        np.testing.assert_allclose(
            out.extra[f"video_score_{stream}"][0], video / video.sum(), atol=1e-12
        )


def test_the_score_file_keeps_each_streams_scores(given):
    for run in (TRAINED, given):
        assert stored(run) == ("cas_rgb", "video_score_rgb", "cas_flow", "video_score_flow")
        assert attentions(run) == {"rgb": "attention_rgb", "flow": "attention_flow"}


def test_columns_are_those_of_the_detection_classes(given, reference, project):
    """20 places among 101, in the order of detclasslist.txt, which is that of our classes."""
    columns = given.model.columns
    assert len(set(columns)) == 20 and list(columns) == sorted(columns) and columns[-1] <= 101
    (path,) = (reference / "data/annotations").rglob("detclasslist.txt")
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    facts = yaml.safe_load((project / "workflow/reference/datasets/thumos14.yaml").read_text())
    assert [name for _, name in lines] == facts["classes"]


def test_classes_are_picked_after_the_softmax(given):
    """101 columns: the 20 of the data, without making them sum to 1 again."""
    _, scp, _, x = published(classes=101)
    out = build(given, widths(101), 20)(x)
    picked = scp[0][:, np.array(given.model.columns) - 1]
    np.testing.assert_allclose(out.extra["cas_rgb"][0], picked, atol=1e-12)
    assert float(out.extra["cas_rgb"][0].sum(1).max()) < 1
    assert out.cas.shape == (1, 21, 21) and out.extra["video_score"].shape == (1, 20)


def test_published_columns_that_fit_no_class_are_refused(given):
    with pytest.raises(WstalError, match=r"\[4\] columns, the data 3"):
        build(given, widths(4), 3)
    with pytest.raises(WstalError, match="x_attention"):
        build(replace(given, streams=("rgb_scp",)), widths(3), 3)


def test_a_probability_of_zero_stays_finite(given):
    *_, x = published()
    x = x.float()
    x[0, :, 0] = 0
    out = build(given, widths(3), 3)(x)
    assert all(torch.isfinite(value).all() for value in out.extra.values())
    assert not out.extra["cas_rgb"][0, :, 0].any()


def test_published_heads_have_a_loss_and_nothing_to_move(given):
    *_, x = published()
    labels = torch.tensor([[1.0, 0.0, 0.0]]).double()
    total, terms = loss(build(given, widths(3), 3)(x), Batch(x, labels), LossSettings())
    total.backward()
    assert total.item() == pytest.approx(sum(t.item() for t in terms.values()))


class Videos:
    """The parts of a TrainingSet that `prepare` reads."""

    def __init__(self, labels):
        *_, x = published(rows=30, seed=2)
        self.rows, self.ids = x[0].float(), ["a", "b", "c"]
        self.offsets, self.lengths = np.array([0, 10, 20]), np.array([10, 10, 10])
        self.labels = torch.tensor(labels)


def test_published_heads_of_other_classes_are_refused(given):
    model = build(given, widths(3), 3)
    data = Videos([[1.0, 1, 1]] * 3)
    prepare(model, data, given)
    best = [
        model(data.rows[None, i : i + 10]).extra["video_score"][0].argmax() for i in (0, 10, 20)
    ]
    wrong = torch.nn.functional.one_hot((torch.stack(best) + 1) % 3, 3)
    with pytest.raises(WstalError, match="right for 0 of 3"):
        prepare(model, Videos(wrong.tolist()), given)


def softmax(values):
    weights = [math.exp(v - max(values)) for v in values]
    return [w / sum(weights) for w in weights]


def by_loops(logits, attention, chunks):
    """One video: lists `[N][C]` and `[N]` -> `[C]`."""
    size, classes = len(logits) // chunks, len(logits[0])
    weights, probabilities = [], []
    for m in range(chunks):
        rows = range(m * size, (m + 1) * size)
        weights.append(sum(attention[i] for i in rows) / size)
        probabilities.append(
            softmax([sum(logits[i][c] for i in rows) / size for c in range(classes)])
        )
    weights = softmax(weights)
    return [sum(weights[m] * probabilities[m][c] for m in range(chunks)) for c in range(classes)]


def test_mixture_by_loops():
    torch.manual_seed(0)
    logits, attention = torch.randn(3, 21, 4).double() * 3, torch.randn(3, 21).double() * 3
    found = chunk_mixture(logits, attention, 7)
    for video in range(3):
        expected = by_loops(logits[video].tolist(), attention[video].tolist(), 7)
        assert found[video].tolist() == pytest.approx(expected, abs=1e-12)
    assert found.sum(1).tolist() == pytest.approx([1, 1, 1], abs=1e-12)


def test_mixture_of_probabilities_not_of_logits():
    """Two chunks of one snippet, sure of a class each, attended alike: half and half."""
    logits = torch.tensor([[[30.0, 0.0], [0.0, 90.0]]], dtype=torch.float64)
    found = chunk_mixture(logits, torch.zeros(1, 2, dtype=torch.float64), 2)
    assert found[0].tolist() == pytest.approx([0.5, 0.5], abs=1e-9)


def test_loss_by_hand_with_two_labels():
    """-1/2 (log p_0 + log p_2), with attention ln 3 the weights are 3/4 and 1/4."""
    logits = torch.log(torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]], dtype=torch.float64))
    attention = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)
    mixture = chunk_mixture(logits, attention, 2)
    first, third = 0.75 * 0.5 + 0.25 * 0.1, 0.75 * 0.25 + 0.25 * 0.8
    labels = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    expected = -(math.log(first + 1e-8) + math.log(third + 1e-8)) / 2
    assert float(probability_loss(mixture, labels, 1e-8)) == pytest.approx(expected, abs=1e-12)


def test_gradient_by_finite_differences():
    torch.manual_seed(1)
    inputs = (
        torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 6, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(lambda x, a: chunk_mixture(x, a, 3), inputs, atol=1e-7)


def test_video_logits_are_weighted_by_flattened_attention():
    logits = torch.tensor([[[1.0, 0.0], [5.0, 2.0]]], dtype=torch.float64)
    attention = torch.tensor([[0.0, 3 * math.log(4.0)]], dtype=torch.float64)
    found = attended_logits(logits, attention, 3.0)[0]
    assert found.tolist() == pytest.approx([0.2 * 1 + 0.8 * 5, 0.8 * 2], abs=1e-12)


CPU = torch.device("cpu")


def run(config, path, labels, folder):
    files = RunFiles(folder / "c.pt", folder / "log.csv", folder / "s.h5")
    with FeatureFile(path) as features:
        train_run(features, labels, config, files, seed=0, code="", device=CPU)
        scores = score_checkpoint(files.checkpoint, features, ["train", "test"], CPU)
    return files, scores


@pytest.mark.parametrize("streams", [["rgb", "flow"], ["flow"]])
def test_it_learns_where_actions_are(tmp_path, config, streams):
    path, labels = write_small_set(tmp_path, train=24, test=6)
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
    found = localize(scores, LocalizeSettings())
    truth = [
        {"video_id": video, "t_start": s[0], "t_end": s[1], "label": label}
        for video in labels.ids("test")
        for a in labels.database[video]["annotations"]
        for s, label in [(a["segment"], a["label"])]
    ]
    import pandas as pd

    found = found[found["video_id"].isin(labels.ids("test"))]
    assert detection_map(pd.DataFrame(truth), found, [0.3])["map"][0] > 0.6


def test_from_published_files_without_training(tmp_path, project):
    """AutoLoc's numbers come out of the score file; the grid is 15 frames at 30 fps."""
    content = features(rows=24)
    source = tmp_path / "att_unfused/val.all.tsv"
    activations = write_autoloc(source, content, classes=1)
    settings = import_settings(
        "autoloc", order=["flow", "rgb"], fps=30, snippet=15, stride=15, rates=[30]
    )
    labels = annotations(duration=12.3)
    with_rows = find_autoloc(source.parent, settings)
    path = tmp_path / "features.h5"
    convert_features(path, with_rows, labels, settings, dataset="thumos14", recipe="autoloc_unt")
    config = method_config(project, "untrimmednet", recipe="autoloc_unt")
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


@pytest.mark.parametrize("grid", ["own", "common"])
def test_times_of_a_video_at_25_fps_are_its_own(tmp_path, project, grid):
    """Segments of whole rows: exact on the video's own grid, half a row off on the common one."""
    content = features(rows=24)
    source = tmp_path / "att_unfused/val.all.tsv"
    write_autoloc(source, content, classes=1)
    settings = import_settings(
        "autoloc", order=["flow", "rgb"], fps=30, snippet=15, stride=15, rates=[25], grid=grid
    )
    labels = annotations(duration=24.5 * 0.6)
    path = tmp_path / "features.h5"
    found = find_autoloc(source.parent, settings)
    convert_features(path, found, labels, settings, dataset="thumos14", recipe="autoloc_unt")
    config = method_config(project, "untrimmednet", recipe="autoloc_unt")
    _, scores = run(config, path, labels, tmp_path)
    write_scores(tmp_path / "copy.h5", scores)
    again = read_scores(tmp_path / "copy.h5")
    first = next(iter(content))
    # The attention in `write_autoloc` is the row's number: which rows lie between 6.6 and 9.0 s?
    flow, step = again.videos[first].attentions["flow"], again.step_of(first)
    inside = np.flatnonzero((flow >= 11) & (flow < 15))
    frame = detection_frame(
        again, lambda video: np.array([[inside[0], inside[-1] + 1, 0, 1.0]], np.float64)
    )
    times = frame.set_index("video_id").loc[first, ["t_start", "t_end"]].to_numpy(np.float64)
    error = np.abs(times - [6.6, 9.0]).max()
    if grid == "own":
        assert step == pytest.approx(0.6) and len(flow) == 24 and error < 1e-9
    else:
        assert step == 0.5 and len(flow) == 29 and 0 < error <= 0.25


SETTINGS = LocalizeSettings()
PLAIN = LocalizeSettings(average_next=False, extend=0)


def video(sequence, other=0.0, scores=(0.6, 0.05)):
    cas = np.stack([sequence, np.full(len(sequence), other), np.zeros(len(sequence))], 1)
    return VideoScores(cas, np.zeros(len(sequence)), np.array(scores))


SEQUENCE = [0.1, 0.8, 0.6, 0.1, 0.1, 0.7, 0.1, 0.1]


def test_runs_over_half_of_the_maximum():
    """Over 0.4: snippets 1-2 and 5; their means plus a fifth of the video score."""
    found = proposals(video(SEQUENCE), PLAIN)
    expected = [[1, 3, 0, 0.7 + 0.12], [5, 6, 0, 0.7 + 0.12]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_detector_of_the_matlab_code():
    """Averaged with the next: .45 .7 .35 .1 .4 .4 .1 .1; over .35: 0-1, 4-5, each one longer.

    Snippet 2, at exactly half of the maximum, is not over it. Scores are means of the average.
    """
    found = proposals(video(SEQUENCE), SETTINGS)
    expected = [
        [0, 3, 0, (0.45 + 0.7 + 0.35) / 3 + 0.12],
        [4, 7, 0, (0.4 + 0.4 + 0.1) / 3 + 0.12],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_last_snippet_is_its_own_neighbour():
    found = proposals(video([0.0, 0.0, 0.2, 0.8]), SETTINGS)
    np.testing.assert_allclose(found, [[2, 4, 0, (0.5 + 0.8) / 2 + 0.12]], atol=1e-12)


def test_classes_at_the_threshold_are_left_out():
    assert len(proposals(video(SEQUENCE, scores=(0.1, 0.05)), PLAIN)) == 0
    both = proposals(video(SEQUENCE, other=0.3, scores=(0.6, 0.4)), PLAIN)
    assert both[:, 2].tolist() == [0, 0, 1]
    assert both[2].tolist() == pytest.approx([0, 8, 1, 0.3 + 0.08])


def test_runs_grow_at_their_end_and_merge():
    active = np.array([0, 1, 0, 1, 0, 0, 0], dtype=bool)
    assert extended(active, 1).astype(int).tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert extended(active, 2).astype(int).tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert extended(active, 0).tolist() == active.tolist()
    assert extended(np.array([True]), 3).tolist() == [True]


def test_attention_plays_no_part_and_times_are_seconds():
    scores = Scores(["run", "jump"], {"a": video(SEQUENCE)}, "probability", t0=0.25, step=0.5)
    frame = localize(scores, PLAIN)
    assert frame["label"].tolist() == ["run", "run"]
    assert frame[["t_start", "t_end"]].to_numpy().tolist() == [[0.75, 1.75], [2.75, 3.25]]
