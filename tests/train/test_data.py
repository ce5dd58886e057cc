"""The training videos of a run in memory, and the batches drawn from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from method_configs import small_config
from small_set import write_small_set
from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations, training_view
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores, VideoScores
from wstal.methods.contract import Batch
from wstal.train.data import (
    DataSettings,
    Standardization,
    TrainingSet,
    merge_scores,
    snippet_arrays,
    upstream_of_video,
    video_arrays,
)
from wstal.train.loop import run_config

CPU = torch.device("cpu")


def training_set(project, features, annotations, upstream=None, **data):
    config = run_config(small_config(project, data=data))
    return TrainingSet(features, annotations, config.run.streams, config.data, CPU, upstream)


@pytest.fixture
def small(tmp_path):
    path, annotations = write_small_set(tmp_path)
    with FeatureFile(path) as features:
        yield features, annotations


def test_batches_hold_rows_of_the_drawn_videos(small, project):
    features, annotations = small
    data = training_set(project, features, training_view(annotations), standardize="none")
    batch = data.draw(np.random.default_rng(0))
    assert isinstance(batch, Batch)
    assert batch.features.shape == (6, 12, 12) and batch.pairs == 2
    known = {row.tobytes() for v in data.ids for row in features.read(v, ["rgb", "flow"])}
    assert all(row.numpy().tobytes() in known for row in batch.features.flatten(0, 1))
    for pair in range(batch.pairs):
        assert torch.equal(batch.labels[2 * pair], batch.labels[2 * pair + 1])


def test_each_video_keeps_its_own_label(small, project):
    features, annotations = small
    data = training_set(project, features, annotations, standardize="none", length=40)
    batch = data.draw(np.random.default_rng(1))
    for rows, label in zip(batch.features, batch.labels, strict=True):
        first = rows[0].numpy()
        video = next(
            v for v in data.ids if (features.read(v, ["rgb", "flow"]) == first).all(1).any()
        )
        assert label.tolist() == annotations.label_matrix([video])[0].tolist()


def test_only_training_videos_are_resident(small, project):
    features, annotations = small
    data = training_set(project, features, annotations)
    assert set(data.ids) == set(annotations.ids("train"))
    assert len(data.rows) == data.lengths.sum()
    torch.testing.assert_close(data.rows.mean(0), torch.zeros(12), atol=1e-5, rtol=0)


def test_what_the_data_do_not_offer_is_said(tmp_path, project):
    path, annotations = write_small_set(tmp_path, train=4, classes=3)  # classes 1 and 2: one video
    with FeatureFile(path) as features:
        notes = training_set(project, features, annotations).notes
        assert notes == ["classes with a single training video train without pairs: class1, class2"]
        notes = training_set(project, features, annotations, min_snippets=19).notes
        assert any("fewer than 19 snippets left out" in note for note in notes)


@pytest.mark.parametrize("in_pairs", [True, False])
def test_short_videos_are_in_pairs_alone_or_left_out(tmp_path, project, in_pairs):
    path, annotations = write_small_set(tmp_path, train=8, classes=2)
    with FeatureFile(path) as features:
        every = training_set(project, features, annotations)
        limit = int(np.sort(every.lengths)[3]) + 1  # four or more videos are short
        short = {v for v, n in zip(every.ids, every.lengths, strict=True) if n < limit}
        settings = {"min_snippets": limit, "short_in_pairs": in_pairs, "batch": 6, "pairs": 2}
        data = training_set(project, features, annotations, **settings)
    draws = np.array([data.sampler.draw(np.random.default_rng(seed)) for seed in range(200)])
    paired, single = ({data.ids[i] for i in part.ravel()} for part in (draws[:, :4], draws[:, 4:]))
    assert single == set(every.ids) - short
    assert (short <= paired) if in_pairs else not (short & set(data.ids))
    assert data.updates_per_epoch == -(-(len(every.ids) - len(short)) // 6)
    assert any("left out, but in pairs" in note for note in data.notes) == in_pairs


def test_training_videos_that_are_all_too_short_are_said_to_be(tmp_path, project):
    path, annotations = write_small_set(tmp_path, train=2, classes=2)
    with FeatureFile(path) as features, pytest.raises(WstalError) as caught:
        training_set(project, features, annotations, min_snippets=500)
    assert "all 2 training videos with features have fewer than 500 snippets" in str(caught.value)


def test_a_single_video_trains_without_pairs_and_says_so(tmp_path, project):
    path, annotations = write_small_set(tmp_path, train=1, classes=2)
    with FeatureFile(path) as features:
        data = training_set(project, features, annotations)
    assert data.draw(np.random.default_rng(0)).pairs == 0
    assert "no class has two training videos: the run trains without pairs" in data.notes
    assert "classes without a training video: class1" in data.notes


def test_no_training_video_is_an_error(small, project):
    features, annotations = small
    empty = Annotations(annotations.classes, {})
    with pytest.raises(WstalError, match="no training video has features"):
        training_set(project, features, empty)


def test_whole_videos_are_padded_with_zeros_under_a_mask(small, project):
    features, annotations = small
    settings = DataSettings(length=None, batch=6)
    data = TrainingSet(features, training_view(annotations), ["rgb", "flow"], settings, CPU)
    batch = data.draw(np.random.default_rng(0))
    lengths = batch.mask.sum(1)
    assert batch.features.shape[1] == lengths.max() and len(set(lengths.tolist())) > 1
    assert not batch.features[~batch.mask].any()
    known = {features.read(v, ["rgb", "flow"]).tobytes() for v in data.ids}
    for rows, mask in zip(batch.features, batch.mask, strict=True):
        assert rows[mask].numpy().tobytes() in known
    assert data.updates_per_epoch == 2


def test_upstream_scores_follow_the_snippets(small, project):
    features, annotations = small
    videos = {
        v: VideoScores(rows[:, :4], rows[:, 0], rows[0, :3])
        for v in annotations.ids("train")
        for rows in [features.read(v, ["rgb", "flow"])]
    }
    upstream = Scores(annotations.classes, videos)
    data = training_set(project, features, annotations, upstream, standardize="none")
    batch = data.draw(np.random.default_rng(0))
    assert torch.equal(batch.upstream["cas"], batch.features[..., :4])
    assert torch.equal(batch.upstream["attention"], batch.features[..., 0])
    assert batch.upstream["video_score"].shape == (6, 3)
    assert (
        data.digest() != training_set(project, features, annotations, standardize="none").digest()
    )


def test_training_rows_get_zero_mean_and_unit_spread():
    rows = torch.randn(200, 3) * torch.tensor([1.0, 5.0, 0.0]) + 7
    out = Standardization.of(rows, "train")(rows)
    torch.testing.assert_close(out.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    assert out.std(0)[:2].tolist() == pytest.approx([1, 1], abs=0.01)
    assert out[:, 2].abs().max() < 1e-5  # a constant channel is only shifted


def test_none_changes_nothing():
    rows = torch.randn(4, 3)
    assert Standardization.of(rows, "none")(rows) is rows


def scores(**lengths):
    rng = np.random.default_rng(0)
    videos = {
        video: VideoScores(
            cas=rng.random((count, 3)),
            attention=rng.random(count),
            video_score=rng.random(2),
            attentions={"rgb": rng.random(count)},
            extra={
                "cas_rgb": rng.random((count, 3)),
                "video_score_rgb": rng.random(2),
                "boundaries": rng.random((4, count, 2)),
            },
        )
        for video, count in lengths.items()
    }
    return Scores(["x", "y"], videos, activation="probability")


def test_arrays_over_time_are_stacked_in_the_order_of_the_videos():
    given = scores(a=3, b=5)
    rows = snippet_arrays(given, {"b": 5, "a": 3})
    assert set(rows) == {"cas", "attention", "attention_rgb", "cas_rgb"}
    assert rows["cas"].shape == (8, 3) and rows["cas"].dtype == np.float32
    np.testing.assert_allclose(rows["cas_rgb"][5:], given.videos["a"].extra["cas_rgb"], rtol=1e-6)
    assert video_arrays(given, ["b", "a"])["video_score_rgb"].shape == (2, 2)
    assert set(video_arrays(given, ["a"])) == {"video_score", "video_score_rgb"}


def test_one_video_has_a_batch_axis():
    found = upstream_of_video(scores(a=3), "a", 3)
    assert found["cas"].shape == (1, 3, 3) and found["video_score"].shape == (1, 2)
    assert "boundaries" not in found


def test_no_upstream_gives_nothing():
    assert snippet_arrays(None, {"a": 3}) == {} and video_arrays(None, ["a"]) == {}
    assert merge_scores([]) is None


def test_what_does_not_fit_is_named():
    with pytest.raises(WstalError, match="no scores of video b"):
        snippet_arrays(scores(a=3), {"b": 3})
    with pytest.raises(WstalError, match="video a has 4 snippets, its upstream scores 3"):
        snippet_arrays(scores(a=3), {"a": 4})
    with pytest.raises(WstalError, match="contain video a"):
        merge_scores([scores(a=3), scores(a=3, b=2)])
    assert set(merge_scores([scores(a=3), scores(b=2)]).videos) == {"a", "b"}
    with pytest.raises(WstalError, match="different classes"):
        merge_scores([scores(a=3), replace(scores(b=2), classes=["y", "x"])])


def test_the_span_of_a_training_sequence_is_in_seconds(project, tmp_path):
    path, annotations = write_small_set(tmp_path)
    with FeatureFile(path) as features:
        data = training_set(project, features, annotations)
        sequence, videos = data.span(0.16)
    assert sequence == f"a training sequence has {data.length} snippets, one in 0.16 s: " + (
        f"{data.length * 0.16:.4g} s"
    )
    longer = int((data.lengths > data.length).sum())
    assert f"8 training videos of {data.lengths.min() * 0.16:.4g} to " in videos
    assert f"of the {longer} longer ones" in videos
    data.length = None
    assert data.span(0.5)[0] == "a training sequence is a whole video, one snippet in 0.5 s"
