"""Segments as subtitles, for any player."""

import pandas as pd
from wstal.inference.subtitles import subtitles


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
    assert subtitles(frame((1.0, 1.0004, "run", 0.5))) == ""
