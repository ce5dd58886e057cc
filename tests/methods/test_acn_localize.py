"""ACN's localization and fusion against loops over their definitions, and its diagrams."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import warm_python
from acn_cases import kept_by_hand, proposals_by_hand
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.localize.proposals import constant_attention
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import overlap
from wstal.methods.acn.figures import layer_lines, regression_figure, system_overview
from wstal.methods.acn.localize import (
    AttentionSettings,
    FusionSettings,
    LocalizeSettings,
    fuse_histories,
    fuse_proposals,
    fuse_scores,
    localize,
    proposals,
    threshold,
)
from wstal.methods.acn.loss import LossSettings
from wstal.methods.acn.network import ACN, NetworkSettings, RunSettings

ANCHORS = np.array([1.0, 2.0, 4.0])


@pytest.fixture(scope="module")
def settings():
    return LocalizeSettings(
        discard_rule="location", attention=AttentionSettings(mode="quantile", quantile=0.5)
    )


def video(seed=0, count=20):
    rng = np.random.default_rng(seed)
    features = rng.random((count, 5))
    shifts = ANCHORS[:, None, None] * rng.uniform(-0.5, 0.5, (3, count, 2))
    cas = rng.dirichlet([0.4, 0.4, 0.4], count)
    coherence = np.ones((3, count))
    found = proposals_by_hand(features, cas[:, 0], shifts, ANCHORS.astype(int), 0.6)
    valid = [(row, i) for row, p in enumerate((1, 2, 4)) for i in range(count - p)]
    for (row, i), proposal in zip(valid, found, strict=True):
        coherence[row, i] = proposal[3]
    extra = {
        "anchors": ANCHORS,
        "margins": np.maximum(ANCHORS / 4, 1),
        "shifts": shifts,
        "coherence": coherence,
        "training_quantiles": np.linspace(-1, 1, 101),
    }
    attention, score = rng.uniform(-1, 1, count), np.array([0.6, 0.05, 0.35])
    cas = np.pad(cas, ((0, 0), (0, 1)))
    return features, VideoScores(cas, attention, score, {}, extra)


def by_hand(features, scores, label, settings):
    """Kept proposals of a class, best first, after suppression."""
    seen = scores.attention >= 2 * settings.attention.quantile - 1
    cas = scores.cas[:, label] * seen
    shifts = scores.extra["shifts"]
    found = proposals_by_hand(features, cas, shifts, ANCHORS.astype(int), settings.alpha)
    kept = sorted(kept_by_hand(found, seen & (cas >= 0.1)), key=lambda n: found[n][-1])
    rows, segments = [], np.empty((0, 2))
    for n in kept:
        start, end = max(found[n][0], 0), min(found[n][1] + 1, len(cas))
        if (overlap(np.array([start, end]), segments) <= settings.nms_iou).all():
            segments = np.concatenate([segments, [[start, end]]])
            rows.append([start, end, label, -found[n][-1]])
    return np.array(rows).reshape(-1, 4)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("alpha", [0.6, 0, 1])
def test_by_hand(seed, alpha, settings):
    settings = replace(settings, alpha=alpha)
    features, scores = video(seed)
    expected = [by_hand(features, scores, label, settings) for label in (0, 2)]
    found = proposals(scores, settings)
    assert len(found) > 4
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-9)


def test_class_and_time_reach_the_frame(settings):
    _, scores = video()
    frame = localize(Scores(["a", "b", "c"], {"v": scores}, "probability", t0=1.0), settings)
    assert set(frame["label"]) == {"a", "c"}
    first = proposals(scores, settings)[0]
    assert frame["t_start"][0] == pytest.approx(1 + 0.64 * first[0])
    assert frame["t_end"].max() <= 1 + 20 * 0.64 and frame["t_start"].min() >= 1


def test_a_video_of_no_class_has_no_proposals(settings):
    _, scores = video()
    weak = replace(scores, video_score=np.full(3, 0.1))  # not above 0.1
    assert proposals(weak, settings).shape == (0, 4)


def test_the_threshold_of_attention(settings):
    _, scores = video()

    def with_gate(mode, quantile=0.5):
        return replace(settings, attention=AttentionSettings(mode=mode, quantile=quantile))

    assert threshold(scores, with_gate("quantile", 0.25)) == pytest.approx(-0.5)
    assert threshold(scores, with_gate("quantile", 0.335)) == pytest.approx(-0.33)
    assert threshold(scores, with_gate("absolute")) == 7
    assert proposals(scores, with_gate("absolute")).shape == (0, 4)
    low = replace(scores, attention=scores.attention - 99)
    found = proposals(low, with_gate("none"))
    np.testing.assert_array_equal(found, proposals(scores, with_gate("none")))
    assert len(found) > len(proposals(scores, settings)) > len(proposals(low, settings)) == 0


def test_a_segment_may_end_where_its_last_snippet_starts(settings):
    """Before suppression, which the shorter segments of this reading change."""
    _, scores = video()
    every = replace(settings, nms_iou=1.0)
    after, last = proposals(scores, every), proposals(scores, replace(every, end="last"))
    inside = after[:, 1] < len(scores.cas)  # an end beyond the video is cut
    np.testing.assert_allclose(last[inside, 1], after[inside, 1] - 1, atol=1e-9)
    np.testing.assert_array_equal(last[:, [0, 2, 3]], after[:, [0, 2, 3]])


def test_the_threshold_does_not_depend_on_the_scored_video(settings):
    _, scores = video()
    other = replace(scores, attention=scores.attention * 3 + 100)
    assert threshold(other, settings) == threshold(scores, settings)


def test_constant_attention_discards_nothing(settings):
    _, scores = video()
    all_seen = replace(settings, attention=AttentionSettings(quantile=0))
    flat = constant_attention(Scores(["a", "b", "c"], {"v": scores}, "probability"))
    np.testing.assert_allclose(
        proposals(flat.videos["v"], settings), proposals(scores, all_seen), atol=1e-12
    )


COLUMNS = ["video_id", "t_start", "t_end", "label", "score"]
FUSION = FusionSettings()


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
    expected = frame(
        ("a", 0.0, 10.0, "run", 0.5),
        ("a", 20.0, 30.0, "run", -0.6),
        ("a", 0.0, 3.9, "run", 0.4),
        ("a", 0.0, 10.0, "jump", 0.2),
        ("b", 0.0, 10.0, "run", 0.1),
    )
    pd.testing.assert_frame_equal(fuse_proposals(flow, rgb, FusionSettings(0.4, 0.5)), expected)
    mapped = expected.assign(score=[0.75, 0.2, 0.45, 0.35, 0.3])
    fused = fuse_proposals(flow, rgb, FusionSettings(0.4, 0.5, "mapped"))
    pd.testing.assert_frame_equal(fused, mapped)


def test_the_discount_matters_and_did_not_when_mapped():
    """Scores as they are: few under 0. Half of a mapped one is then under all of flow's."""
    flow = frame(*((f"v{n}", 0.0, 1.0, "run", 0.05 + 0.02 * n) for n in range(10)))
    rgb = frame(*((f"v{n}", 5.0, 6.0, "run", 0.1 + 0.02 * n) for n in range(10)))

    def order(**settings):
        fused = fuse_proposals(flow, rgb, FusionSettings(**settings))
        return fused["score"].sort_values(ascending=False, kind="stable").index.tolist()

    discounts = (0.1, 0.5, 0.9)
    assert len({tuple(order(discount=d)) for d in discounts}) == 3
    low = discounts[:2]
    assert len({tuple(order(discount=d, score="mapped")) for d in low}) == 1


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


def by_loops(flow, rgb, iou, discount, mapped):
    def value(score):
        return (1 + score) / 2 if mapped else score

    rows = [(*row[:4], value(row[4])) for row in flow.itertuples(index=False)]
    for one in rgb.itertuples(index=False):
        best = 0.0
        for other in flow.itertuples(index=False):
            if (one.video_id, one.label) == (other.video_id, other.label):
                shared = min(one.t_end, other.t_end) - max(one.t_start, other.t_start)
                whole = one.t_end - one.t_start + other.t_end - other.t_start - max(shared, 0)
                best = max(best, max(shared, 0) / whole)
        if best < iou:
            rows.append((*one[:4], discount * value(one.score)))
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_against_loops(seed):
    rng = np.random.default_rng(seed)
    flow, rgb = (random_proposals(rng, int(n)) for n in rng.integers(0, 25, 2))
    iou, discount = rng.uniform(0.1, 0.9), rng.uniform(0, 1)
    score = "mapped" if seed % 2 else "loss"
    fused = fuse_proposals(flow, rgb, FusionSettings(iou, discount, score))
    expected = by_loops(flow, rgb, iou, discount, score == "mapped")
    assert list(fused.columns) == COLUMNS and len(fused) == len(expected)
    for ours, theirs in zip(fused.itertuples(index=False), expected, strict=True):
        assert ours[:4] == theirs[:4]
        assert ours.score == pytest.approx(theirs[4], abs=1e-12)


def test_nothing_to_fuse():
    empty, one = frame(), frame(("a", 0.0, 1.0, "run", 1.0))
    assert list(fuse_proposals(empty, empty, FUSION).columns) == COLUMNS
    assert fuse_proposals(one, empty, FUSION)["score"].tolist() == [1.0]
    assert fuse_proposals(empty, one, FUSION)["score"].tolist() == [0.5]


def test_histories_are_fused_where_both_have_one():
    one = frame(("a", 0.0, 1.0, "run", 1.0))
    fused = fuse_histories({2: one, 4: one}, {4: one, 2: frame(), 6: one}, FUSION)
    assert list(fused) == [2, 4]
    assert fused[2]["score"].tolist() == [1.0] == fused[4]["score"].tolist()
    with pytest.raises(WstalError, match="score_interval"):
        fuse_histories({2: one}, {3: one}, FUSION)


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


def words(path):
    return sorted(re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text()))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, project, catalog):
    folder = tmp_path_factory.mktemp("figures")
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow")}
    configs = [catalog.run_config("thumos14", run) for run in ("acn", "acn-flow")]
    script = [sys.executable, str(project / "scripts/draw_acn.py"), "--folder", str(folder)]
    script += ["--configs", json.dumps(configs)]
    warm_python.run(script, check=True, env=environment)
    return folder


@pytest.mark.parametrize("number", [1, 2])
def test_the_committed_diagrams_can_be_drawn_again(number, drawn, project):
    name = f"acn_figure{number}.svg"
    found, committed = words(drawn / name), words(project / "docs/figures" / name)
    assert len(found) > 20
    assert found == committed, "copy results/figures/acn_figure*.svg"


def test_another_config_and_format_may_be_given(tmp_path, project):
    catalog = load_catalog()
    fused, stream = (catalog.run_config("thumos14", run) for run in ("acn", "acn-flow"))
    fused["localize"]["nms_iou"], stream["model"]["anchors"] = 0.35, [3, 9]
    command = [sys.executable, str(project / "scripts/draw_acn.py"), "--folder", str(tmp_path)]
    command += ["--configs", json.dumps([fused, stream]), "--formats", "svg", "png"]
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow")}
    warm_python.run(command, check=True, env=environment)
    names = {f"acn_figure{n}.{kind}" for n in (1, 2) for kind in ("svg", "png")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert "score −L, NMS 0.35" in words(tmp_path / "acn_figure1.svg")
    assert "P = 9" in words(tmp_path / "acn_figure2.svg")


def test_a_network_is_described_as_it_is():
    model = ACN("flow", 2, 64, NetworkSettings(anchors=(8,), width=16, dilation_rule="rate"))
    assert layer_lines(model.networks[0]) == [
        "conv 3, 64 → 16, dilation 2",
        "conv 3, 16 → 16, dilation 2",
        "conv 1, 16 → 2",
    ]
    texts = [text.get_text() for text in regression_figure(model).axes[0].texts]
    assert "P = 8" in texts and "shifts ±4; sees 9 snippets" in texts


def test_the_overview_shows_the_settings_of_the_run():
    settings = LocalizeSettings(
        class_threshold=0.3,
        scp_threshold=0.2,
        nms_iou=0.7,
        attention=AttentionSettings(mode="absolute", value=6),
        fusion=FusionSettings(iou=0.6, discount=0.25),
    )
    run = RunSettings(model=NetworkSettings(anchors=(3, 9)))
    figure = system_overview(run, LossSettings(alpha=0.75), settings)
    texts = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    for line in (
        "v > 0.3, S ≥ 0.2", "A ≥ 6", "score −L, NMS 0.7", "rgb: score × 0.25,", "P = 3, 9",
        "kept where IoU < 0.6", "L = 0.75 L_OIC + 0.25 (L_c − 1)",
        "score −L",
    ):  # fmt: skip
        assert line in texts


@pytest.mark.parametrize(("inputs", "arrows"), [("features", 14), ("with_scores", 16)])
def test_the_overview_draws_what_the_regression_sees(inputs, arrows):
    """One arrow more a stream, from UntrimmedNet's scores down or up to the networks."""
    run = RunSettings(model=NetworkSettings(inputs=inputs))
    figure = system_overview(run, LossSettings(), LocalizeSettings())
    texts = figure.axes[0].texts
    assert sum(not text.get_text() for text in texts) == arrows
    vertical = [t for t in texts if not t.get_text() and t.xy[0] == t.get_position()[0]]
    between = [t for t in vertical if t.xy[0] == 35]
    assert len(between) == (2 if inputs == "with_scores" else 0)
