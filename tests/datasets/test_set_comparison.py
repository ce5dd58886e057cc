"""The comparison of annotation sets: invented copies that differ in known ways, and the real ones."""

from __future__ import annotations

import json

import pytest
from published_sets import THUMOS, write_ave, write_database, write_numpy, write_official
from wstal.base.errors import WstalError
from wstal.commands.datasets import COMMAND
from wstal.datasets.set_comparison import (
    comparison_page,
    count_rows,
    find_sets,
    list_rows,
    pair_rows,
)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def copies(tmp_path):
    """The same videos in three forms, and a copy with a change of each kind."""
    write_official(tmp_path / "official")
    write_numpy(tmp_path / "numpy", {"video_test_0000001": ["CliffDiving"]})
    write_database(tmp_path / "same.json", frames=900)
    changed = json.loads((tmp_path / "same.json").read_text())["database"]
    first, second, third, fourth = THUMOS
    changed[first]["annotations"][0]["segment"][0] += 0.05
    changed[first]["duration"] = 30.3
    changed[second]["annotations"] = changed[second]["annotations"][:1]  # without Diving
    changed[third]["annotations"][0]["segment"][0] += 0.5
    del changed[fourth]
    changed["video_test_0000008"] = changed[third]
    (tmp_path / "changed.json").write_text(json.dumps({"database": changed}))
    (tmp_path / "some.txt").write_text(f"{first}\n{third}\nvideo_test_0000099\n")
    return tmp_path


def test_every_set_is_counted_by_subset(copies):
    rows = count_rows(find_sets(files_of(copies)))
    counts = {tuple(row[:2]): row[2:] for row in rows}
    assert counts["same.json (small)", "validation"] == [2, 4, 2, 1, 0, 2]
    assert counts["same.json (small)", "test"] == [2, 5, 1, 0, 0, 2]
    assert counts["official text files, one per class", "test"] == [2, 5, 1, 0, 0, 0]
    assert counts["numpy (numpy)", "test"] == [2, 5, 1, 0, 1, 2]
    assert [row[1] for row in rows if row[0] == "changed.json"] == ["validation", "test"]


def test_pairs_say_how_videos_differ(copies):
    pairs = {tuple(row[:2]): row[2:] for row in pair_rows(find_sets(files_of(copies)))}
    assert len(pairs) == 6
    assert pairs["same.json (small)", "numpy (numpy)"] == [4, 0, 0, 4, 0, 0, 0, 0]
    # Rounded, another time, another set of labels; one video on each side alone.
    assert pairs["changed.json", "same.json (small)"] == [3, 1, 1, 0, 1, 1, 1, 1]


def test_lists_are_held_against_the_set_that_has_most_of_them(copies):
    files = files_of(copies)
    assert list_rows(files, find_sets(files)) == [["some.txt", 3, "changed.json", 2]]


def test_datasets_are_told_apart_by_their_videos(copies, tmp_path):
    write_ave(tmp_path / "ave")
    entry = {"subset": "training", "annotations": [{"segment": [0, 1], "label": "Polo"}]}
    for name, prefix in (("one.json", ""), ("two.json", "v_")):
        database = {f"{prefix}{letter * 11}": entry for letter in "axyz"}
        (tmp_path / name).write_text(json.dumps({"database": database}))
    page = comparison_page(files_of(tmp_path))
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert titles == ["## AVE", "## ActivityNet", "## THUMOS14"]
    assert "| one.json | two.json | 4 | 0 | 0 | 4 | 0 | 0 | 0 | 0 |" in page
    with pytest.raises(WstalError, match="no published annotation set is among the 0 files"):
        comparison_page([])


def run(*words):
    with pytest.raises(SystemExit) as done:
        COMMAND.run(["compare", *map(str, words)])
    return done.value.code


def test_the_command_writes_the_page(copies, tmp_path):
    page = comparison_page(files_of(copies))
    assert not run(copies, "--output", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == page
    assert "none is not a folder" in run(tmp_path / "none")


def test_the_page_of_the_docs_has_the_tables_of_the_real_sets(reference, project):
    page = (project / "docs/annotation_sets.md").read_text()
    files = files_of(reference / "data/annotations")
    assert comparison_page(files) in page
    sets = find_sets(files)
    ave = next(each for each in sets if "Annotations.txt" in each.name)
    activitynet = next(each for each in sets if each.name.startswith("bmn"))
    assert len(set(ave.videos) & set(activitynet.videos)) == 3
    thumos = next(each for each in sets if each.name.startswith("acmnet"))
    gone = ("video_test_0000270", "video_test_0001496")
    assert sum(len(thumos.videos[video].segments) for video in gone) == 47
    assert "Three of its 4,097 videos" in page and "with 47 instances" in page
