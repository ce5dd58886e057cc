"""Fusion of two streams by its definition and against loops."""

import numpy as np
import pandas as pd
import pytest
from wstal.errors import WstalError
from wstal.localize.fusion import fuse_histories, fuse_proposals, fuse_scores
from wstal.localize.scores import Scores, VideoScores

COLUMNS = ["video_id", "t_start", "t_end", "label", "score"]


def frame(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def test_by_definition():
    """RGB adds only what flow has not: IoU under 0.4 with flow of the same video and class."""
    flow = frame(("a", 0.0, 10.0, "run", 0.5), ("a", 20.0, 30.0, "run", -0.6))
    rgb = frame(
        ("a", 0.0, 4.0, "run", 0.9),  # IoU 0.4: not below
        ("a", 0.0, 3.9, "run", 0.8),  # IoU 0.39
        ("a", 0.0, 10.0, "jump", 0.4),  # another class
        ("b", 0.0, 10.0, "run", 0.2),  # another video
        ("a", 25.0, 31.0, "run", 1.0),  # IoU 5/11
    )
    fused = fuse_proposals(flow, rgb, 0.4, 0.5)
    expected = frame(
        ("a", 0.0, 10.0, "run", 0.75),
        ("a", 20.0, 30.0, "run", 0.2),
        ("a", 0.0, 3.9, "run", 0.45),
        ("a", 0.0, 10.0, "jump", 0.35),
        ("b", 0.0, 10.0, "run", 0.3),
    )
    pd.testing.assert_frame_equal(fused, expected)


def random_proposals(rng, count):
    start = rng.uniform(0, 20, count)
    columns = {
        "video_id": rng.choice(["a", "b", "c"], count),
        "t_start": start,
        "t_end": start + rng.uniform(0.1, 8, count),
        "label": rng.choice(["run", "jump"], count),
        "score": rng.uniform(-0.6, 1, count),
    }
    return pd.DataFrame(columns, columns=COLUMNS)


def by_loops(flow, rgb, iou, discount):
    rows = [(*row[:4], (1 + row[4]) / 2) for row in flow.itertuples(index=False)]
    for one in rgb.itertuples(index=False):
        best = 0.0
        for other in flow.itertuples(index=False):
            if (one.video_id, one.label) == (other.video_id, other.label):
                shared = min(one.t_end, other.t_end) - max(one.t_start, other.t_start)
                whole = one.t_end - one.t_start + other.t_end - other.t_start - max(shared, 0)
                best = max(best, max(shared, 0) / whole)
        if best < iou:
            rows.append((*one[:4], discount * (1 + one.score) / 2))
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_against_loops(seed):
    rng = np.random.default_rng(seed)
    flow, rgb = (random_proposals(rng, int(n)) for n in rng.integers(0, 25, 2))
    iou, discount = rng.uniform(0.1, 0.9), rng.uniform(0, 1)
    fused = fuse_proposals(flow, rgb, iou, discount)
    expected = by_loops(flow, rgb, iou, discount)
    assert list(fused.columns) == COLUMNS and len(fused) == len(expected)
    for ours, theirs in zip(fused.itertuples(index=False), expected, strict=True):
        assert ours[:4] == theirs[:4]
        assert ours.score == pytest.approx(theirs[4], abs=1e-12)


def test_nothing_to_fuse():
    empty, one = frame(), frame(("a", 0.0, 1.0, "run", 1.0))
    assert list(fuse_proposals(empty, empty).columns) == COLUMNS
    assert fuse_proposals(one, empty)["score"].tolist() == [1.0]
    assert fuse_proposals(empty, one)["score"].tolist() == [0.5]


def test_histories_are_fused_where_both_have_one():
    one = frame(("a", 0.0, 1.0, "run", 1.0))
    fused = fuse_histories({2: one, 4: one}, {4: one, 2: frame(), 6: one})
    assert list(fused) == [2, 4]
    assert fused[2]["score"].tolist() == [1.0] == fused[4]["score"].tolist()
    with pytest.raises(WstalError, match="score_interval"):
        fuse_histories({2: one}, {3: one})


def stream(value, videos=("a", "b"), **changes):
    content = {
        video: VideoScores(
            np.full((4, 3), value),
            np.full(4, 10 * value),
            np.full(2, value / 2),
            {"x": np.zeros(4)},
            {"cas_rgb": np.zeros((4, 2))},
        )  # fmt: skip
        for video in videos
    }
    settings = {"activation": "probability", "iteration": 7, "provenance": {"seed": value}}
    return Scores(["run", "jump"], content, **{**settings, **changes})


def test_scores_are_means_and_attentions_stay_by_name():
    fused = fuse_scores({"rgb": stream(0.2), "flow": stream(0.4)})
    video = fused.videos["b"]
    assert video.cas == pytest.approx(np.full((4, 3), 0.3))
    assert video.attention == pytest.approx(np.full(4, 3.0))
    assert video.video_score == pytest.approx(np.full(2, 0.15))
    assert video.attentions["rgb"].tolist() == [2.0] * 4
    assert video.attentions["flow"].tolist() == [4.0] * 4 and not video.extra
    assert (fused.activation, fused.iteration) == ("probability", 7)
    assert fused.provenance == {"fused": {"rgb": {"seed": 0.2}, "flow": {"seed": 0.4}}}


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (stream(0.1, videos=("a",)), "different videos"),
        (stream(0.1, step=0.5), "step"),
        (stream(0.1, activation="logits"), "activation"),
    ],
)
def test_streams_that_do_not_belong_together(other, match):
    with pytest.raises(WstalError, match=match):
        fuse_scores({"rgb": stream(0.1), "flow": other})
    short = stream(0.1)
    short.videos["a"] = VideoScores(np.zeros((3, 3)), np.zeros(3), np.zeros(2))
    with pytest.raises(WstalError, match="video a"):
        fuse_scores({"rgb": stream(0.1), "flow": short})
