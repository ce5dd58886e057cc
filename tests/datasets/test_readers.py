"""The reader of each kind of dataset, its choices, and the pages that report them."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml
from published_sets import THUMOS_FACTS, write_ave, write_official
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets import activitynet, ave, thumos14
from wstal.datasets.annotations import (
    Annotations,
    data_digest,
    read_annotations,
    training_view,
    videos_view,
    write_annotations,
)
from wstal.datasets.kinds import label_choices, read_dataset
from wstal.datasets.report import Choice, Report, Tally, report_page, settle_choices


def test_each_kind_has_its_reader(tmp_path):
    thumos = write_official(tmp_path / "thumos")
    annotations, report = read_dataset("t", {"kind": "thumos14"}, thumos, THUMOS_FACTS)
    assert annotations.classes == ["CliffDiving", "Diving"] and "THUMOS14" in report.source
    annotations, report = read_dataset("a", {"kind": "ave"}, write_ave(tmp_path / "ave"))
    assert annotations.classes == ["Bark", "Violin"] and "AVE" in report.source


def test_own_files_are_read_and_identified(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("video,labels,split\na,x,train\nb,x,test\n")
    annotations, report = read_dataset("mine", {"kind": "folder"}, [labels])
    assert annotations.classes == ["x"] and list(report.files) == [str(labels)]
    with pytest.raises(WstalError, match="kind folder has none"):
        read_dataset("mine", {"kind": "folder", "choices": {"a": "b"}}, [labels])


def test_choices_reach_the_reader(tmp_path):
    files = write_official(tmp_path)
    settings = {"kind": "thumos14", "choices": {"ambiguous_only": "leave_out"}}
    annotations, _ = read_dataset("t", settings, files, THUMOS_FACTS)
    assert "video_test_0000009" not in annotations.database
    with pytest.raises(WstalError, match="ambiguous_only"):
        settings = {"kind": "thumos14", "choices": {"ambiguos_only": "list"}}
        read_dataset("t", settings, files, THUMOS_FACTS)


def test_choices_about_times_are_separated_from_those_about_labels():
    choices = {"zero_length": "keep", "cliff_diving": "both"}
    assert label_choices("thumos14", choices) == {"cliff_diving": "both"}
    choices = {"past_end": "clip", "unlabelled": "keep", "repeated": "drop"}
    assert label_choices("activitynet", choices) == {"unlabelled": "keep"}
    assert label_choices("ave", {"split": "text"}) == {"split": "text"}
    assert label_choices("folder", {"typo": "kept"}) == {"typo": "kept"}  # the reader refuses it


def test_fetched_files_are_read_through_their_list(tmp_path):
    files = write_ave(tmp_path)
    rows = [{"file": path.name} for path in files]
    write_csv(tmp_path / "fetched.csv", ("file",), rows)
    annotations, _ = read_dataset("ave", {"kind": "ave"}, [tmp_path / "fetched.csv"])
    assert len(annotations.database) == 6


@pytest.mark.parametrize("dataset", ["thumos14", "activitynet12", "activitynet13", "ave"])
def test_without_files_the_message_is_the_page(dataset):
    kind = dataset.rstrip("23").rstrip("1") if "net" in dataset else dataset
    with pytest.raises(WstalError) as caught:
        read_dataset(dataset, {"kind": kind, "labels": "/my/labels"}, [], THUMOS_FACTS)
    page = str(caught.value)
    assert "/my/labels" in page and f"data/{dataset}/videos" in page
    assert "Terms:" in page and "from" in page


def test_damage_is_reported_without_the_page(tmp_path):
    files = [path for path in write_official(tmp_path) if path.name != "Diving_val.txt"]
    with pytest.raises(WstalError, match=r"Diving_val\.txt") as caught:
        read_dataset("thumos14", {"kind": "thumos14"}, files, THUMOS_FACTS)
    assert "Terms:" not in str(caught.value)


def test_a_kind_without_label_files_says_so():
    with pytest.raises(WstalError, match="simulated"):
        read_dataset("s", {"kind": "simulated"}, [])


@pytest.mark.parametrize("reader", [thumos14, activitynet, ave])
def test_the_documentation_lists_every_choice(project, reader):
    text = (project / "docs/datasets.md").read_text()
    name = reader.__name__.rsplit(".", 1)[-1]
    rows = re.split(r"^\| (?=\w)", text, flags=re.M)
    section = next(rest for rest in rows if rest.startswith(f"{name} | `"))
    for choice in reader.CHOICES:
        row = next(line for line in section.splitlines() if f"| `{choice.name}`" in line)
        default, others = row.split("|")[-3:-1]
        first, *rest = choice.options
        assert f"`{first}`" in default
        assert re.findall(r"`(\w+)`", others) == rest


def test_choices_in_the_shipped_yamls_are_known(project):
    choices = {"thumos14": thumos14, "activitynet": activitynet, "ave": ave}
    for path in (project / "workflow/config/datasets").glob("*.yaml"):
        settings = yaml.safe_load(path.read_text())
        if settings.get("kind") in choices:
            settle_choices(choices[settings["kind"]].CHOICES, settings.get("choices", {}))


CHOICES = (
    Choice("zero_length", "no length, no overlap", {"drop": "left out", "keep": "counted"}),
    Choice("source", "two forms", {"auto": "the first"}),
)


def test_defaults_are_the_first_options_and_can_be_overridden():
    assert settle_choices(CHOICES, {}) == {"zero_length": "drop", "source": "auto"}
    assert settle_choices(CHOICES, {"zero_length": "keep"})["zero_length"] == "keep"


def test_an_unknown_choice_names_the_nearest_and_an_unknown_value_the_known():
    with pytest.raises(WstalError, match="zero_lenght.*nearest: zero_length"):
        settle_choices(CHOICES, {"zero_lenght": "keep"})
    with pytest.raises(WstalError, match="'maybe' is not one of drop, keep"):
        settle_choices(CHOICES, {"zero_length": "maybe"})


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


# The annotation database, its views and the digest of a run's data.


def entry(subset, duration, labels, *segment):
    annotations = [{"segment": list(segment[:2]), "label": segment[2]}]
    return {"subset": subset, "duration": duration, "labels": labels, "annotations": annotations}


DATABASE = {
    "a": entry("train", 9.0, ["x", "y"], 1, 2, "x"),
    "b": entry("test", 8.0, ["y"], 3, 4, "y"),
}


def test_round_trip_and_views(tmp_path):
    annotations = Annotations(["x", "y"], DATABASE, {"th": ["b"]})
    write_annotations(tmp_path / "a.json", annotations)
    again = read_annotations(tmp_path / "a.json")
    assert again == annotations
    assert (
        again.ids("train") == ["a"] and again.has_segments("test") and not again.has_segments("val")
    )
    assert np.array_equal(again.label_matrix(["b", "a"]), [[0, 1], [1, 1]])
    assert again.ground_truth("test").values.tolist() == [["b", 3.0, 4.0, "y"]]
    assert again.ground_truth("val").dtypes["t_start"] == "float64"


def test_training_sees_neither_times_nor_test_videos():
    view = training_view(Annotations(["x", "y"], DATABASE))
    assert list(view.database) == ["a"] and view.database["a"]["annotations"] == []
    assert view.database["a"]["labels"] == ["x", "y"] and DATABASE["a"]["annotations"]


def test_what_handles_videos_sees_neither_times_nor_labels():
    whole = {"a": {**DATABASE["a"], "file": "a1", "ambiguous": [[5, 6]]}, "b": DATABASE["b"]}
    view = videos_view(Annotations(["x", "y"], whole, {"th": ["b"]}))
    nothing = {"labels": [], "annotations": []}
    assert view.database["a"] == {"subset": "train", "duration": 9.0, "file": "a1", **nothing}
    assert view.ids("test") == ["b"] and not view.classes and not view.lists


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{")
    with pytest.raises(WstalError, match=r"a\.json is not JSON.*an annotation database"):
        read_annotations(path)
    path.write_text(
        '{"classes": [], "database": {"v": {"subset": "testing", "labels": [], "annotations": []}}}'
    )
    with pytest.raises(WstalError, match=r"a\.json: video v: subset 'testing'"):
        read_annotations(path)
    with pytest.raises(WstalError, match=r"labels \['z'\] are not among"):
        Annotations(["x"], {"v": {"subset": "train", "labels": ["z"], "annotations": []}})


def test_every_part_type_shape_and_border_counts():
    rows = np.arange(6, dtype=np.float32)
    cases = [
        ["a", rows],
        ["b", rows],
        ["a", rows + 1],
        ["a", rows.astype(np.float64)],
        ["a", rows.reshape(2, 3)],
        ["a", rows[:3], rows[3:]],
        ["a", "b"],
        ["ab"],
        [],
    ]
    assert len({data_digest(parts) for parts in cases}) == len(cases)


def test_memory_layout_does_not_count():
    rows = np.arange(6.0).reshape(2, 3)
    assert data_digest([np.asfortranarray(rows)]) == data_digest([rows])
    assert data_digest([np.empty((0, 4))]) == data_digest([np.empty((0, 4))])
