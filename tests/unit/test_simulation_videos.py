"""Drawn videos have the published statistics of THUMOS14, and segments that fit their labels."""

from __future__ import annotations

import numpy as np
import pytest
from wstal.data.annotations import Annotations
from wstal.data.simulation.videos import draw_annotations
from wstal.errors import WstalError


def test_counts_are_the_published_ones(drawn: Annotations) -> None:
    assert len(drawn.classes) == 20
    for subset, videos, mixed in (("train", 200, 27), ("test", 212, 34)):
        ids = drawn.ids(subset)
        assert len(ids) == videos
        assert sum(len(drawn.database[i]["labels"]) > 1 for i in ids) == mixed
        assert drawn.label_matrix(ids).sum(0).min() >= 10


@pytest.mark.parametrize("subset", ["train", "test"])
def test_lengths_and_background_are_like_the_published_ones(
    drawn: Annotations, subset: str
) -> None:
    truth = drawn.ground_truth(subset)
    lengths = truth.t_end - truth.t_start
    durations = np.array([drawn.database[i]["duration"] for i in drawn.ids(subset)])
    assert len(truth) / len(durations) == pytest.approx(15, rel=0.1)
    assert lengths.median() == pytest.approx(3.0, rel=0.15)
    assert lengths.mean() == pytest.approx(4.3, rel=0.1)
    assert lengths.quantile(0.95) == pytest.approx(11, rel=0.2)
    assert durations.mean() == pytest.approx(213, rel=0.05)
    assert 1000 < durations.max() <= 1673.5
    once = truth.drop_duplicates(["video_id", "t_start", "t_end"])
    assert (once.t_end - once.t_start).sum() / durations.sum() == pytest.approx(0.3, abs=0.06)


def test_segments_and_labels_agree(drawn: Annotations) -> None:
    for video, entry in drawn.database.items():
        items = entry["annotations"]
        assert entry["labels"] == sorted({item["label"] for item in items}), video
        for item in items:
            start, end = item["segment"]
            assert 0 <= start < end <= entry["duration"]
        dives, cliff_dives = (
            [item["segment"] for item in items if item["label"] == name]
            for name in ("Diving", "CliffDiving")
        )
        assert all(segment in dives for segment in cliff_dives)


def test_the_seed_decides(simulation: dict, drawn: Annotations) -> None:
    assert draw_annotations(simulation).database == drawn.database
    assert draw_annotations({**simulation, "seed": 1}).database != drawn.database


def test_an_unknown_statistic_is_named(simulation: dict) -> None:
    with pytest.raises(WstalError, match="simulate.videos.*durations"):
        draw_annotations({**simulation, "videos": {**simulation["videos"], "durations": 3}})
