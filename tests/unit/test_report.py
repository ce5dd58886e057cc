"""Choices and the page that lists them."""

import pytest
from wstal.data.annotations import Annotations
from wstal.data.report import Choice, Report, Tally, report_page, settle
from wstal.errors import WstalError

CHOICES = (
    Choice("zero_length", "no length, no overlap", {"drop": "left out", "keep": "counted"}),
    Choice("source", "two forms", {"auto": "the first"}),
)


def test_defaults_are_the_first_options_and_can_be_overridden():
    assert settle(CHOICES, {}) == {"zero_length": "drop", "source": "auto"}
    assert settle(CHOICES, {"zero_length": "keep"})["zero_length"] == "keep"


def test_an_unknown_choice_names_the_nearest_and_an_unknown_value_the_known():
    with pytest.raises(WstalError, match="zero_lenght.*nearest: zero_length"):
        settle(CHOICES, {"zero_lenght": "keep"})
    with pytest.raises(WstalError, match="'maybe' is not one of drop, keep"):
        settle(CHOICES, {"zero_length": "maybe"})


def test_cases_are_counted_with_a_few_examples():
    tally = Tally(CHOICES, {})
    for video in ["a", "a", *"bcdefg"]:
        tally.add("zero_length", video)
    decision = tally.decisions()[0]
    assert decision.count == tally.count("zero_length") == 8
    assert decision.examples == ("a: 2", "b", "c", "d", "e", "...")


def test_the_traps_that_hold_are_counted_and_one_to_drop_is_enough():
    choices = (*CHOICES, Choice("twice", "found once", {"keep": "both", "drop": "one"}))
    tally = Tally(choices, {})
    assert tally.keeps("a", {"zero_length": False, "twice": True})
    assert not tally.keeps("b", {"zero_length": True, "twice": True})
    assert (tally.count("zero_length"), tally.count("twice")) == (1, 2)


def test_the_page_sets_counts_beside_the_published_ones():
    item = {"segment": [0, 1], "label": "x"}
    database = {
        "a": {"subset": "train", "duration": 2.0, "labels": ["x", "y"], "annotations": [item]},
        "b": {"subset": "test", "duration": 2.0, "labels": ["x"], "annotations": [item, item]},
    }
    annotations = Annotations(["x", "y"], database, {"all": ["b"], "ambiguous": ["a"]})
    tally = Tally(CHOICES, {"zero_length": "keep"})
    tally.add("zero_length", "b")
    report = Report("two files", {"f.txt": "abc"}, tally.decisions(), ["a remark"])
    facts = {"statistics": {"train": {"videos": 7, "instances": 9}}}
    page = report_page("small", annotations, report, facts)
    assert "| train | 1 | 7 | 1 | 9 | 1 | 2 |" in page
    assert "| test | 1 | not given | 2 | not given | 0 | 1 |" in page
    assert "| `all` | 1 | 2 |" in page and "`ambiguous`" not in page
    row = "| `zero_length` | `keep`: counted | 1 (b) | no length, no overlap | `drop`: left out |"
    assert row in page
    assert "- a remark" in page and "`f.txt` sha256 abc" in page
