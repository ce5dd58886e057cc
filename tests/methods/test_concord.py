"""Concord: soft targets, the pyramid and its assignment on small numbers, and what training reads."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import warm_python
from method_configs import method_config
from small_set import write_small_set
from wstal.base.errors import WstalError
from wstal.base.settings import SettingsError
from wstal.datasets.annotations import training_view, write_annotations
from wstal.features.pack import FeatureFile
from wstal.localize.scores import ScoreHistory, Scores, VideoScores, softmax, write_scores
from wstal.methods.concord.localize import LocalizeSettings, proposals
from wstal.methods.concord.loss import LossSettings, WeightSettings, assign, loss, snippet_classes
from wstal.methods.concord.network import (
    Concord,
    NetworkSettings,
    RunSettings,
    halved,
    places,
    points_of,
)
from wstal.methods.concord.targets import Targets, TargetSettings, segments_around, targets
from wstal.methods.contract import Batch
from wstal.train.data import teacher_scores
from wstal.train.scoring import score_checkpoint

CPU = torch.device("cpu")
SMALL = {
    "model": {"width": 8, "levels": 2},
    "data": {"batch": 4},
    "train": {"iterations": 6, "score_interval": 3, "log_interval": 2},
}


def seen_by(**sequences):
    """Upstream scores of one video of one class: attention of each teacher, cas of 1."""
    found = {}
    for name, values in sequences.items():
        attention = torch.tensor([values])
        found[f"attention_{name}"] = attention
        found[f"cas_{name}"] = torch.ones(1, len(values), 2)
    return found


def test_a_target_is_the_share_of_relative_thresholds_that_evidence_passes():
    upstream = seen_by(a=[0.05, 0.2, 0.5, 0.22])  # of the peak: 0.1, 0.4, 1, 0.44
    found = targets(upstream, torch.ones(1, 1), None, TargetSettings(cut=0))
    np.testing.assert_allclose(found.share[0], np.array([0, 3, 9, 4]) / 9, atol=1e-6)


def test_teachers_that_disagree_give_a_target_in_between():
    upstream = seen_by(a=[0.9, 0.9, 0.0], b=[0.0, 0.3, 0.0])
    found = targets(upstream, torch.ones(1, 1), None, TargetSettings(cut=0.6))
    assert found.share[0].tolist() == [0, 1, 0]  # half of the first is under the cut
    below = targets(upstream, torch.ones(1, 1), None, TargetSettings(cut=0.4)).share[0]
    assert below.tolist() == [0.5, 1, 0]
    hard = targets(upstream, torch.ones(1, 1), None, TargetSettings(cut=0.4, hard=True)).share[0]
    assert hard.tolist() == [1, 1, 0]


def test_only_classes_of_the_video_and_its_own_snippets_count():
    upstream = {"attention_a": torch.ones(1, 4), "cas_a": torch.rand(1, 4, 4)}
    upstream["cas_a"][0, 3] = 9  # padding
    mask = torch.tensor([[True, True, True, False]])
    found = targets(upstream, torch.tensor([[0.0, 1.0, 0.0]]), mask, TargetSettings())
    assert found.label.tolist() == [1] and found.share[0, 3] == 0 and found.share[0].max() == 1


def test_boundaries_lie_where_the_target_crosses_the_cut():
    share = torch.tensor([[0.0, 0.0, 1.0, 1.0, 0.5, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]])
    start, end = segments_around(share, 0.5)
    assert start[0, 2:5].tolist() == [2, 2, 2] and end[0, 2:5].tolist() == [4.5, 4.5, 4.5]
    assert start[1, :2].tolist() == [0, 0] and end[1, :2].tolist() == [2, 2]
    assert (start[1, 5], end[1, 5]) == (5, 6)


def network(levels=3, **changes):
    torch.manual_seed(0)
    settings = NetworkSettings(width=8, levels=levels, dropout=0, **changes)
    return Concord(5, 3, settings)


def test_videos_of_a_batch_do_not_see_each_other():
    model = network().train()
    x = torch.randn(3, 21, 5)
    mask = torch.arange(21) < torch.tensor([21, 3, 13])[:, None]
    together = model.live(x * mask[..., None], mask)
    for number, length in enumerate(mask.sum(1).tolist()):
        alone = model.live(x[number : number + 1, :length], None)
        mine = together.extra["point_video"][0] == number
        for name in ("point_logits", "boundaries", "point_centre"):
            value = together.extra[name][0][mine]
            torch.testing.assert_close(value, alone.extra[name][0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.cas[number, :length], alone.cas[0])
        score = together.extra["video_score"][number]
        torch.testing.assert_close(score, alone.extra["video_score"][0])
    assert not together.cas[~mask].any()


def test_the_heads_read_a_level_as_if_it_were_alone():
    model, mask = network().eval().average, torch.ones(2, 11, dtype=torch.bool)
    with torch.no_grad():
        model.scale.uniform_(0.5, 2)
    place = places(mask, 4)
    own = torch.zeros((int(place[-1]) // 4 + 2) * 4, 1).index_fill(0, place, 1)
    h, logits, distances = torch.randn(len(own), model.classes.in_features)[None] * own, [], []
    found = model._read(h[0], own)
    for level, scale in enumerate(model.scale):
        if level:
            h, own = halved(h), halved(own[None])[0]
            h = (h + model.down[level - 1](h).relu()) * own
        logits.append(model.classes(model.class_layer(h).relu())[0])
        distance = model.bounds(model.bounds_layer(h).relu())[0]
        distances.append(torch.nn.functional.softplus(distance * scale) * 2**level)
    torch.testing.assert_close(found[0], torch.cat(logits))
    torch.testing.assert_close(found[1], torch.cat(distances))


def test_points_lie_in_the_middle_of_their_stride():
    mask = torch.ones(2, 5, dtype=torch.bool)
    place = places(mask, 4)
    found = points_of(mask, place, int(place[-1]) + 5 + 3, 3)
    of_second = found.video == 1
    assert found.centre[of_second].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 1, 3, 2]
    assert found.stride[of_second].tolist() == [1] * 5 + [2] * 2 + [4]


def test_videos_are_scored_with_the_average_of_the_weights():
    model, x = network(average=0.5).train(), torch.randn(1, 9, 5)
    first = model.live.classes.weight.clone()
    model(x)
    with torch.no_grad():
        model.live.classes.weight.add_(1)
    model(x)
    # Steps start at 1 - 1/11 and would end at 0.5.
    torch.testing.assert_close(model.average.classes.weight, first + 1 - 2 / 12)
    scored = model.eval()(x)
    torch.testing.assert_close(scored.cas, model.average(x, None).cas)
    plain = network(average=0).train()
    with torch.no_grad():
        plain.live.classes.weight.add_(1)
    plain(x)
    torch.testing.assert_close(plain.average.classes.weight, plain.live.classes.weight)


def taught_batch(count=24, first=4, last=10):
    attention = torch.zeros(1, count)
    attention[0, first:last] = 1
    upstream = {"attention_a": attention, "cas_a": torch.ones(1, count, 4)}
    labels = torch.tensor([[0.0, 1.0, 0.0]])
    features = torch.randn(1, count, 5, generator=torch.Generator().manual_seed(0))
    return Batch(features, labels, upstream=upstream)


def test_a_segment_belongs_to_the_level_of_its_length():
    batch = taught_batch()  # six snippets: level 1 for a reach of four strides
    output = network().train()(batch.features)
    settings = LossSettings(reach=4, slack=1)
    taught = targets(batch.upstream, batch.labels, None, settings.targets)
    at = assign(output, taught, batch.labels, settings)
    stride = output.extra["point_stride"][0]
    assert set(stride[at.point].tolist()) == {2} and len(at.point) == 3
    assert (at.start == 4 - 0.15).all() and (at.end == 10.15).all()  # where 0.35 is crossed
    assert at.share[:, [0, 2]].sum() == 0 and at.share[at.point, 1].tolist() == [1, 1, 1]
    wide = assign(output, taught, batch.labels, replace(settings, slack=2))
    assert set(stride[wide.point].tolist()) == {1, 2, 4}


def test_what_the_targets_say_costs_nothing():
    batch = taught_batch()
    output = network().train()(batch.features)
    settings = LossSettings(weights=WeightSettings(video=0))
    taught = targets(batch.upstream, batch.labels, None, settings.targets)
    at = assign(output, taught, batch.labels, settings)
    bounds = torch.zeros_like(output.extra["boundaries"])
    bounds[0, at.point] = torch.stack([at.start, at.end], 1)
    logits = (at.share * 2 - 1)[None] * 40
    snippets = snippet_classes(taught, batch.labels).transpose(1, 2) * 40
    said = {"boundaries": bounds, "point_logits": logits, "snippet_logits": snippets}
    perfect = output._replace(extra=output.extra | said)
    total, terms = loss(perfect, batch, settings)
    assert total < 1e-6 and set(terms) == {"bounds", "classes", "snippets"}
    shifted = perfect._replace(extra=perfect.extra | {"boundaries": bounds + 3.15})
    assert loss(shifted, batch, settings)[1]["bounds"] == pytest.approx(1 - 3.15 / 9.45, abs=1e-5)


def test_a_snippet_of_no_segment_is_background():
    classes = snippet_classes(
        Targets(
            video=torch.tensor([0, 0]),
            label=torch.tensor([0, 2]),
            share=torch.tensor([[0.0, 0.4, 1.0], [0.0, 0.0, 0.5]]),
            start=torch.zeros(2, 3),
            end=torch.zeros(2, 3),
        ),
        torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
    )
    assert classes[0].T.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0.5, 0, 0.5, 0]]
    assert classes[1].T.tolist() == [[0, 0, 0, 1]] * 3  # a video of no class


def test_the_likeliest_class_of_a_snippet_is_that_of_its_segment():
    """Where the target just passes the cut, too; padding counts nothing."""
    batch = taught_batch(count=24)
    half = batch.upstream["attention_a"] * torch.where(torch.arange(24) < 7, 0.45, 1.0)
    upstream = batch.upstream | {"attention_a": half}
    batch = batch._replace(upstream=upstream, mask=torch.arange(24)[None] < 20)
    model = network().train()
    optimizer = torch.optim.Adam(model.live.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss(model(batch.features, batch.mask), batch, LossSettings())[0].backward()
        optimizer.step()
    found = model.live(batch.features, batch.mask).cas[0]
    assert found[:20].argmax(1).tolist() == [3] * 4 + [1] * 6 + [3] * 10
    assert not found[20:].any()


def test_the_classes_of_snippets_do_not_change_what_points_learn():
    model, batch = network().train(), taught_batch()
    _, terms = loss(model(batch.features), batch, LossSettings())
    terms["snippets"].backward()
    changed = {name for name, value in model.live.named_parameters() if value.grad is not None}
    assert changed and all(name.startswith("snippet") for name in changed)


def test_a_few_updates_lower_the_loss():
    model, batch = network().train(), taught_batch()
    optimizer = torch.optim.Adam(model.live.parameters(), 0.01)
    totals = []
    for _ in range(30):
        total, _ = loss(model(batch.features), batch, LossSettings())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < totals[0] / 2


def scored_points():
    bounds = np.array([[1.0, 4.0], [1.2, 4.1], [-2.0, 3.0], [8.0, 30.0], [5.0, 5.0]])
    scores = np.array([[0.9, 0.1], [0.8, 0.0], [0.01, 0.0], [0.6, 0.0], [0.9, 0.0]])
    extra = {"boundaries": bounds, "point_scores": scores}
    cas, video = np.zeros((10, 3)), np.array([0.9, 0.05])
    return VideoScores(cas, np.zeros(10), video, extra=extra)


def test_points_become_proposals_within_the_video():
    found = proposals(scored_points(), LocalizeSettings(video_weight=0))
    assert set(found[:, 2]) == {0}  # the other class's video score is under the threshold
    assert found[0].tolist() == [1, 4, 0, 0.9] and found[1].tolist() == [8, 10, 0, 0.6]
    assert found[2, :2].tolist() == [1.2, 4.1] and found[2, 3] < 0.1 and len(found) == 3


def of_run(project, **changes):
    return method_config(project, "concord", "demo", changes={**SMALL, **changes})


def logits_of(features, annotations, seed):
    rng = np.random.default_rng(seed)
    videos = {}
    for video in features.ids("train"):
        count = len(features.read(video, ["rgb"]))
        cas = rng.normal(size=(count, len(annotations.classes) + 1)).astype(np.float32)
        attention = rng.random(count).astype(np.float32)
        videos[video] = VideoScores(cas, attention, rng.random(3).astype(np.float32))
    return Scores(annotations.classes, videos)


def test_scores_of_teachers_are_probabilities_under_their_names(tmp_path):
    path, annotations = write_small_set(tmp_path)
    with FeatureFile(path) as features:
        one, two = (logits_of(features, annotations, seed) for seed in (1, 2))
    assert teacher_scores({}) is None
    video = teacher_scores({"one": one, "two": two}).videos["v00"].arrays()
    for name, scores in (("one", one), ("two", two)):
        own = scores.videos["v00"]
        np.testing.assert_allclose(video[f"cas_{name}"], softmax(own.cas))
        np.testing.assert_array_equal(video[f"attention_{name}"], own.attention)
    fewer = replace(two, videos={k: v for k, v in two.videos.items() if k != "v00"})
    with pytest.raises(WstalError, match="teacher two was scored on other classes or videos"):
        teacher_scores({"one": one, "two": fewer})
    short = replace(two.videos["v00"], cas=two.videos["v00"].cas[:-1])
    with pytest.raises(
        WstalError, match="video v00 has .* by one, .* by two snippets; score the teachers"
    ):
        teacher_scores({"one": one, "two": replace(two, videos=two.videos | {"v00": short})})


def test_training_needs_labels_and_teachers_alone_and_scoring_no_teacher(tmp_path, project):
    """The folder has no other file, and the labels have no times: none can reach the weights."""
    path, annotations = write_small_set(tmp_path)
    write_annotations(tmp_path / "training_labels.json", training_view(annotations))
    assert "segment" not in (tmp_path / "training_labels.json").read_text()
    with FeatureFile(path) as features:
        for seed, name in enumerate(("one", "two")):
            write_scores(tmp_path / f"{name}.h5", logits_of(features, annotations, seed))
    given = {"features.h5", "training_labels.json", "one.h5", "two.h5"}
    assert {file.name for file in tmp_path.iterdir()} == given
    words = [
        *("--features", path, "--annotations", tmp_path / "training_labels.json"),
        *("--config", json.dumps(of_run(project, teachers=["one", "two"])), "--device", "cpu"),
        *("--teachers", tmp_path / "one.h5", tmp_path / "two.h5", "--log", tmp_path / "log.csv"),
        *("--checkpoint", tmp_path / "c.pt", "--scores-by-iteration", tmp_path / "history.h5"),
    ]
    command = [sys.executable, project / "scripts/train.py", *words]
    done = warm_python.run([str(word) for word in command])
    assert done.returncode == 0, done.stderr
    (tmp_path / "one.h5").unlink()
    with FeatureFile(path) as features:
        scores = score_checkpoint(tmp_path / "c.pt", features, ["test"], CPU)
    history = list(ScoreHistory(tmp_path / "history.h5"))
    assert [each.iteration for each in history] == [3, 6]
    for video, values in scores.videos.items():
        for name, array in values.arrays().items():
            np.testing.assert_array_equal(array, history[-1].videos[video].arrays()[name])


def test_a_teacher_named_twice_is_refused():
    with pytest.raises(SettingsError, match="teachers names co2net twice"):
        RunSettings(teachers=("co2net", "co2net"))
