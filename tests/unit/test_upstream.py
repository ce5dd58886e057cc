from dataclasses import replace

import numpy as np
import pytest
from wstal.data.upstream import joined, of_video, snippet_arrays, video_arrays
from wstal.errors import WstalError
from wstal.localize.scores import Scores, VideoScores


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
    found = of_video(scores(a=3), "a", 3)
    assert found["cas"].shape == (1, 3, 3) and found["video_score"].shape == (1, 2)
    assert "boundaries" not in found


def test_no_upstream_gives_nothing():
    assert snippet_arrays(None, {"a": 3}) == {} and video_arrays(None, ["a"]) == {}
    assert joined([]) is None


def test_what_does_not_fit_is_named():
    with pytest.raises(WstalError, match="no scores of video b"):
        snippet_arrays(scores(a=3), {"b": 3})
    with pytest.raises(WstalError, match="video a has 4 snippets, its upstream scores 3"):
        snippet_arrays(scores(a=3), {"a": 4})
    with pytest.raises(WstalError, match="hold the video a"):
        joined([scores(a=3), scores(a=3, b=2)])
    assert set(joined([scores(a=3), scores(b=2)]).videos) == {"a", "b"}
    with pytest.raises(WstalError, match="different classes"):
        joined([scores(a=3), replace(scores(b=2), classes=["y", "x"])])
