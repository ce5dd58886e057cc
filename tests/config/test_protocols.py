"""Protocols as families in files, by name and as JSON."""

from __future__ import annotations

import json

import pytest
from wstal.base.errors import WstalError
from wstal.config.layers import protocols_of
from wstal.config.protocols import (
    checked_protocol,
    fitting_paper,
    fitting_protocol,
    protocol_names,
    read_protocol,
)


def test_every_protocol_of_the_project_is_valid_and_serves_some_dataset():
    names = protocol_names()
    assert {"demo", "folder", "activitynet", "ave", "th14_212"} <= set(names)
    for name in names:
        protocol = read_protocol(name)
        assert protocol.name == name and protocol.kinds and protocol.title
        assert (protocol.task == "events") == (not protocol.tious)


def test_a_named_list_is_as_long_as_its_name_says():
    for name in (name for name in protocol_names() if name.startswith("th14_")):
        protocol = read_protocol(name)
        assert protocol.videos == int(name.split("_")[1]) == 213 - len(protocol.exclude)


def test_activitynet_thresholds():
    protocol = read_protocol("activitynet")
    assert protocol.tious == pytest.approx([0.5 + 0.05 * i for i in range(10)])
    assert protocol.averages == ("0.5:0.95",)


def test_json_as_the_workflow_hands_it_over(tmp_path):
    value = {
        "name": "mine",
        "title": "t",
        "tious": [0.5],
        "averages": ["0.5:0.5"],
        "select": "0.5:0.5",
    }
    protocol = read_protocol(json.dumps(value))
    assert protocol.name == "mine" and protocol.coverage_rule == "restricted"
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps({k: v for k, v in value.items() if k != "name"}))
    assert read_protocol(str(path)).name == "own"


def test_errors_name_the_nearest_key_and_protocol(tmp_path):
    with pytest.raises(WstalError, match="nearest: activitynet"):
        read_protocol("activity_net")
    path = tmp_path / "own.yaml"
    path.write_text('title: t\ntious: [0.5]\naverages: []\nselect: ""\nambigous: filter\n')
    with pytest.raises(
        WstalError, match=r"own\.yaml: ambigous: unknown key; did you mean 'ambiguous'"
    ):
        read_protocol(str(path))
    path.write_text("- 1")
    with pytest.raises(WstalError, match="expected a mapping"):
        read_protocol(str(path))
    path.write_text("a: [")
    with pytest.raises(WstalError, match="not YAML"):
        read_protocol(str(path))
    with pytest.raises(WstalError, match="not JSON"):
        read_protocol("{")


def test_a_variant_changes_its_protocol_which_changes_its_family(tmp_path):
    family = {
        "kinds": ["ave"],
        "select": "",
        "protocols": {
            "ave": {"videos": 402, "variants": {"804": {"videos": 804}, "all": {"videos": None}}},
            "own": {"kinds": ["folder"]},
        },
    }
    assert protocols_of(tmp_path / "ave.yaml", family) == {
        "ave": {"kinds": ["ave"], "select": "", "videos": 402},
        "ave_804": {"kinds": ["ave"], "select": "", "videos": 804},
        "ave_all": {"kinds": ["ave"], "select": "", "videos": None},
        "own": {"kinds": ["folder"], "select": ""},
    }


@pytest.mark.parametrize(
    ("protocols", "message"),
    [
        ([1], r"ave.yaml: protocols: expected a mapping, got \[1\]"),
        ({"ave": None}, "protocols.ave: expected a mapping"),
        ({"ave": {"variants": {"804": 3}}}, "protocols.ave.variants.804: expected a mapping"),
        ({"ave_x": {}, "ave": {"variants": {"x": {}}}}, "protocols.ave: ave_x is there twice"),
    ],
)
def test_mistakes_in_a_family_are_named_where_they_are(tmp_path, protocols, message):
    with pytest.raises(WstalError, match=message):
        protocols_of(tmp_path / "ave.yaml", {"protocols": protocols})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tious": [0.5, 0.5]}, "own.yaml: tious: 0.5 is repeated"),
        ({"tious": [0]}, "own.yaml: tious.0: 0: should be greater than 0"),
        ({"averages": ["0.5:0.9"]}, "own.yaml: average 0.5:0.9 needs the thresholds 0.5 and 0.9"),
        ({"averages": ["0.5"]}, "own.yaml: average '0.5' is not a range of thresholds"),
        ({"name": "x"}, "own.yaml: name: unknown key"),
        ({"subsets": ["tset"]}, "subsets.0: 'tset' is not one of .*; did you mean 'test'"),
    ],
)
def test_what_no_protocol_may_say_is_refused(change, message):
    own = {"title": "t", "tious": [0.5], "averages": [], "select": ""}
    with pytest.raises(WstalError, match=message):
        checked_protocol("own", own | change, "own.yaml")


def test_snippets_of_another_length_are_refused():
    with pytest.raises(WstalError, match="features a step of 0.5 s"):
        fitting_protocol("demo_snippets", (0.5, 0.0))
    assert fitting_protocol("demo_snippets", (0.64, 0.0)).units == "snippets"
    assert fitting_protocol("demo_snippets", (None, None)).units == "snippets"
    assert fitting_protocol("demo", (0.5, 0.1)).units == "seconds"


def test_a_paper_that_cannot_be_followed_is_reported_and_left():
    reported = []
    assert fitting_paper("demo_snippets", (0.5, 0.0), reported.append) is None
    assert "the dataset's own protocol" in reported[0] and "0.5 s" in reported[0]
    assert fitting_paper("demo_snippets", (0.64, 0.0), reported.append).name == "demo_snippets"
    assert fitting_paper(None, (0.5, 0.0), reported.append) is None and len(reported) == 1


def test_an_unknown_paper_protocol_is_an_error_all_the_same():
    with pytest.raises(WstalError, match="no_such"):
        fitting_paper("no_such", (None, None), print)
