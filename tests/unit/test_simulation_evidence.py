"""What simulated streams show: actions in both, false evidence in one, surroundings beside."""

from __future__ import annotations

import numpy as np
import pytest
from wstal.data.simulation.concepts import Columns, Evidence, Video
from wstal.data.simulation.evidence import correlated, covered, stream_concepts

STEP = 0.64


def test_actions_show_in_both_streams_and_false_evidence_in_one(simulation: dict) -> None:
    evidence = Evidence(**{**simulation["evidence"], "weak_stream": 0, "false_per_minute": 6})
    columns = Columns(20, evidence)
    video = Video("v", [3], [(100.0, 110.0, 3)], 2000)
    shown = stream_concepts(video, 20, evidence, 0, STEP)
    action = {s: x[:, : 20 * evidence.phases].max(1) for s, x in shown.items()}
    inside = covered(100.0, 110.0, 2000, STEP) > 0.99
    for stream, strength in action.items():
        assert strength[inside].mean() > 0.6, stream
        phase = shown[stream][inside][:, columns.action(3, 0) : columns.action(4, 0)]
        assert phase.max() == strength[inside].max()
    false = {s: (x > 0.7) & ~inside for s, x in action.items()}
    assert min(false["rgb"].sum(), false["flow"].sum()) > 50
    both = (false["rgb"] & false["flow"]).sum()
    assert both < 0.2 * min(false["rgb"].sum(), false["flow"].sum())


def test_surroundings_are_strongest_beside_the_action(simulation: dict) -> None:
    evidence = Evidence(**{**simulation["evidence"], "context_probability": 1.0})
    segments = [(40.0 * k, 40.0 * k + 5, 3) for k in range(1, 30)]
    shown = stream_concepts(Video("v", [3], segments, 2000), 20, evidence, 0, STEP)
    own = shown["rgb"][:, Columns(20, evidence).context(3)[0]]
    beside = np.max([covered(s - STEP, s, 2000, STEP) for s, _, _ in segments], 0) > 0
    far = np.max([covered(s + 15, s + 30, 2000, STEP) for s, _, _ in segments], 0) > 0
    assert own[beside].mean() > own[far].mean() + 0.15


def test_concepts_have_columns_of_their_own(simulation: dict) -> None:
    evidence = Evidence(**simulation["evidence"])
    columns = Columns(20, evidence)
    used = [columns.action(c, p) for c in range(20) for p in range(evidence.phases)]
    used += sorted({column for c in range(20) for column in columns.context(c)})
    for kind in ("movers", "clutter_kinds", "scenes"):
        used += range(columns.count)[columns.of(kind)]
    assert sorted(used) == list(range(columns.count))
    with pytest.raises(KeyError):
        columns.of("dragons")


def test_noise_is_as_correlated_as_it_says() -> None:
    noise = correlated((50_000, 2), 0.7, np.random.default_rng(0))
    assert noise.std(0) == pytest.approx([1, 1], rel=0.03)
    for column in noise.T:
        assert np.corrcoef(column[1:], column[:-1])[0, 1] == pytest.approx(0.7, abs=0.02)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.03


def test_coverage_of_snippets() -> None:
    np.testing.assert_allclose(covered(0.5, 2.25, 4, 1.0), [0.5, 1, 0.25, 0])
