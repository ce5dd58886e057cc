"""Resolved trees as YAML with the comments of their settings classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
import yaml
from wstal.config.commented import commented_run, commented_yaml, field_comments


@dataclass(frozen=True)
class InnerSettings:
    """What is inside."""

    # Two lines above,
    # as one text.
    size: int = 1
    kind: Literal["soft", "hard"] = "soft"  # of the two


@dataclass(frozen=True)
class OuterSettings(InnerSettings):
    """What is outside."""

    inner: InnerSettings | None = None
    name: str | None = None  # a comment that is too long to stand beside its value, so that it goes
    note: str = ""


def test_comments_are_those_of_the_fields_and_of_the_classes_they_come_from():
    assert field_comments(OuterSettings) == {
        "size": "Two lines above, as one text.",
        "kind": "of the two",
        "name": "a comment that is too long to stand beside its value, so that it goes",
    }


def test_each_key_has_its_comment_and_its_choices():
    tree = {"size": 2, "inner": {"kind": "hard"}, "name": "x" * 40, "note": "a: b #c"}
    text = commented_yaml(tree, OuterSettings)
    assert text.splitlines() == [
        "size: 2  # Two lines above, as one text.",
        "inner:  # What is inside.",
        "  kind: hard  # of the two (soft | hard)",
        "# a comment that is too long to stand beside its value, so that it goes",
        f"name: {'x' * 40}",
        "note: 'a: b #c'",
    ]
    assert yaml.safe_load(text) == tree


@pytest.mark.parametrize("run", ["co2net", "co2net-mutual_kl", "acn", "acn-rgb", "cavf", "tssam"])
def test_the_text_of_a_run_reads_back_as_its_config(catalog, run):
    tree = catalog.run_config("thumos14", run)
    text = commented_run(tree)
    assert yaml.safe_load(text) == {key: value for key, value in tree.items() if value != {}}
    assert all(len(line) <= 100 for line in text.splitlines())
