"""Protocols as files, names and JSON."""

import json

import pytest
from wstal.errors import WstalError
from wstal.evaluate.protocol_file import protocol_names, read_protocol


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
