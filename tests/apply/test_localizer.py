"""A run made ready: what it refuses, what it warns of, and how one bad video costs no other.

A run applied to features finds what the DAG's last stages found in them.

The files of a localized video.

Segments as subtitles, for any player.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from finished_runs import write_acn_runs
from wstal.apply.localizer import (
    Localization,
    Localizer,
    apply_run,
    clock,
    localize_each,
    notes_on,
    save_localization,
    segment_lines,
    segment_table,
    subtitles,
)
from wstal.apply.run_folder import read_run
from wstal.base.errors import MediaError, WstalError
from wstal.evaluate.detections import read_detections
from wstal.features.pack import FeatureFile
from wstal.localize.proposals import as_results, event_detections
from wstal.localize.scores import Scores, VideoScores


def test_one_bad_video_costs_no_other():
    def localizer(video, path):
        if video == "b":
            raise MediaError("broken: no frame")
        return video

    failures = []
    videos = {name: Path(f"{name}.mp4") for name in "abc"}
    assert list(localize_each(localizer, videos, failures)) == ["a", "c"]
    assert failures == ["b.mp4: nothing localized, broken: no frame"]


def test_a_run_is_refused_before_any_video_is_touched(catalog, project, tmp_path):
    recipe = write_acn_runs(project, tmp_path)
    ready = {"catalog": catalog, "root": project, "cache": tmp_path, "device": torch.device("cpu")}
    with pytest.raises(WstalError, match="recipe 'small' is not in workflow/config/features"):
        Localizer(recipe / "acn/seed0", **ready)
    (recipe / "acn-rgb/seed0/proposals.json").unlink()
    with pytest.raises(WstalError, match=r"no proposals.json.*wstal run .*acn-rgb/seed0/prop"):
        Localizer(recipe / "acn-rgb/seed0", **ready)


def test_what_is_not_as_it_was_is_said():
    made = {"rgb": {"stage": "i3d_rgb", "code": "old"}}
    assert notes_on({"weights": "pretrained"}, made, {"i3d_rgb": "old"}) == []
    untrained, edited = notes_on({"weights": "untrained"}, made, {"i3d_rgb": "new"})
    assert "untrained" in untrained and "code of i3d_rgb was edited" in edited


CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recipe(project, tmp_path_factory):
    return write_acn_runs(project, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("name", ["untrimmednet", "acn-rgb", "acn-flow", "acn"])
def test_the_proposals_are_those_of_the_dag(recipe, name):
    run = read_run(recipe / name / "seed0")
    with FeatureFile(run.features) as features:
        scores, found = apply_run(run, features, CPU)
    expected = json.loads((run.path / "proposals.json").read_text())["results"]
    assert as_results(found, scores.videos) == expected
    assert sum(map(len, expected.values())) > 0


def test_without_a_localize_config_the_stretches_of_a_class_are_given(recipe):
    run = replace(read_run(recipe / "untrimmednet/seed0"), localize=None)
    with FeatureFile(run.features) as features:
        scores, found = apply_run(run, features, CPU)
    assert found.equals(event_detections(scores)) and len(found)


FOUND = pd.DataFrame(
    [
        ("v", 0.0, 59.96, "run", 0.25),
        ("v", 61.0, 3723.44, "long jump", 12.0),
        ("v", 2.0, 3.0, "run", -0.5),
    ],
    columns=["video_id", "t_start", "t_end", "label", "score"],
)


def localization(detections, status="ok"):
    scores = Scores(["run"], {"v": VideoScores(np.zeros((4, 2)), np.zeros(4), np.zeros(1))})
    row = {"duration": 90.0, "status": status}
    return Localization("v", row, "co2net seed0", scores, detections, {})


def test_seconds_are_read_as_minutes():
    assert [clock(s) for s in (0, 5.04, 59.96, 3723.44)] == [
        "0:00.0",
        "0:05.0",
        "1:00.0",
        "62:03.4",
    ]


def test_the_best_come_first_and_columns_are_aligned():
    lines = segment_table(FOUND, 2)
    assert [line.split() for line in lines] == [
        ["class", "start", "end", "score"],
        ["long", "jump", "1:01.0", "62:03.4", "12.000"],
        ["run", "0:00.0", "1:00.0", "0.250"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert segment_table(FOUND[:0], 3) == []
    lines = segment_table(FOUND.assign(probability=0.5, video_probability=0.25, rank=1), 1)
    assert lines[0].endswith("score  P(right)  P(in video)")
    assert lines[1].endswith("0.50         0.25")


def test_the_line_on_the_video_tells_how_many_there_are():
    assert segment_lines(localization(FOUND), 2)[0] == (
        "v (1:30.0), co2net seed0: 3 segments, the best 2"
    )
    one = segment_lines(localization(FOUND[:1], "partial"), 5)
    assert one[0] == "v (1:30.0, partial), co2net seed0: 1 segment" and one[-1] == ""
    assert segment_lines(localization(FOUND[:0]), 5)[0].endswith("no segments")


@pytest.mark.parametrize("picture", ["svg", "png", "none"])
def test_json_and_picture(tmp_path, picture):
    found = localization(FOUND[FOUND["label"] == "run"])
    save_localization(found, tmp_path / "out", picture)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"v.json"} | ({f"v.{picture}"} if picture != "none" else set())
    content = json.loads((tmp_path / "out/v.json").read_text())
    assert content.keys() == {"version", "results", "external_data"}
    assert read_detections(tmp_path / "out/v.json")["t_end"].tolist() == [59.96, 3.0]


def test_segments_of_a_low_score_are_left_out():
    found = localization(FOUND)
    assert found.at_least(None) is found
    assert found.at_least(0.25).detections["score"].tolist() == [0.25, 12.0]
    assert not len(found.at_least(99).detections)
    probable = replace(found, detections=found.detections.assign(probability=0.5))
    assert len(probable.at_least(0.5).detections) == len(found.detections)
    assert not len(probable.at_least(0.6).detections)


def test_subtitles_are_written_where_asked_for(tmp_path):
    save_localization(localization(FOUND), tmp_path, "none", subtitled=True)
    assert {path.name for path in tmp_path.iterdir()} == {"v.json", "v.srt"}
    assert " --> " in (tmp_path / "v.srt").read_text()


def frame(*rows):
    return pd.DataFrame(rows, columns=["t_start", "t_end", "label", "score"])


def test_a_segment_is_a_numbered_cue_with_its_times():
    text = subtitles(frame((1.5, 3723.25, "run", 0.875)))
    assert text == "1\n00:00:01,500 --> 01:02:03,250\nrun 0.88\n"


def test_where_classes_overlap_each_has_a_line_the_best_first():
    text = subtitles(frame((0, 4, "run", 0.5), (2, 6, "jump", 0.9)))
    assert text.split("\n\n") == [
        "1\n00:00:00,000 --> 00:00:02,000\nrun 0.50",
        "2\n00:00:02,000 --> 00:00:04,000\njump 0.90\nrun 0.50",
        "3\n00:00:04,000 --> 00:00:06,000\njump 0.90\n",
    ]


def test_a_class_counts_once_with_its_best_score_and_equal_stretches_are_one_cue():
    text = subtitles(frame((0, 6, "run", 0.9), (2, 4, "run", 0.5)))
    assert text == "1\n00:00:00,000 --> 00:00:06,000\nrun 0.90\n"


def test_at_most_three_classes_are_shown_and_gaps_stay_empty():
    rows = [(0, 1, name, score) for name, score in zip("abcd", (0.1, 0.4, 0.3, 0.2), strict=True)]
    text = subtitles(frame(*rows, (5, 6, "a", 0.1)))
    assert "b 0.40\nc 0.30\nd 0.20\n" in text and text.count("-->") == 2
    assert "00:00:05,000 --> 00:00:06,000" in text


def test_nothing_found_and_moments_too_short_to_show_are_no_cue():
    assert subtitles(frame()) == ""


def test_a_score_just_below_zero_is_written_as_zero():
    found = frame((0, 4, "run", -0.0004))
    assert subtitles(found).endswith("run 0.00\n")
    assert segment_table(found, 1)[1].endswith("0.000")
    assert subtitles(frame((1.0, 1.0004, "run", 0.5))) == ""
