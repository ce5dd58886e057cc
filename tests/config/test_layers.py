"""A YAML file gives its mapping, or says what is wrong and where."""

from __future__ import annotations

import pytest
from wstal.base.errors import WstalError
from wstal.base.files import canonical_json
from wstal.config.check import validated
from wstal.config.layers import merged, read_yaml, resolve_run, split_run

MODEL = {
    "method": "co2net",
    "loss": {"mil": 1, "norm": 0.8},
    "datasets": {"demo": {"loss": {"norm": 0.1}}},
    "recipes": {"sim128": {"loss": {"mil": 2, "norm": 0.5}}},
    "variants": {"loss_mil": {"loss": {"norm": 0}}},
}


def test_later_layers_win_key_by_key_and_share_nothing():
    base = {"a": {"b": [1], "c": 2}, "d": 3}
    result = merged(base, {"a": {"c": 5}, "d": {"e": 1}})
    assert result == {"a": {"b": [1], "c": 5}, "d": {"e": 1}}
    result["a"]["b"].append(2)
    assert base["a"]["b"] == [1]


def test_run_is_base_then_dataset_then_recipe_then_variant():
    assert resolve_run(MODEL, "thumos14", None) == {
        "method": "co2net",
        "loss": {"mil": 1, "norm": 0.8},
    }
    assert resolve_run(MODEL, "demo", None)["loss"] == {"mil": 1, "norm": 0.1}
    assert resolve_run(MODEL, "demo", "loss_mil", "sim128")["loss"] == {"mil": 2, "norm": 0}


def test_names_and_canonical_text():
    assert split_run("co2net-mutual_kl") == ("co2net", "mutual_kl")
    assert split_run("co2net") == ("co2net", None)
    assert canonical_json({"b": 1, "a": [0.5, None]}) == '{"a":[0.5,null],"b":1}'


def test_the_mapping_in_a_file(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("title: é\ntious: [0.5]\n", encoding="utf-8")
    assert read_yaml(path) == {"title": "é", "tious": [0.5]}


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", r"own\.yaml is not YAML"), ("- 1", "a mapping of keys"), ("", "a mapping of keys")],
)
def test_other_content_is_refused(tmp_path, text, message):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(WstalError, match=message):
        read_yaml(path)


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "t:\n  a: {b: 1}\n  a: {c: 2}\n"])
def test_a_key_given_twice_is_named_and_not_lost(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(WstalError, match=r"(?s)own\.yaml .*'a' stands twice.*line 3"):
        read_yaml(path)


def test_anchors_may_be_merged_and_overridden(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("top: {<<: &b {<<: &a {x: 1, y: 1}, x: 2}, y: 3}\nnext: {<<: [*a, *b]}\n")
    assert read_yaml(path) == {"top": {"x": 2, "y": 3}, "next": {"x": 1, "y": 1}}


def test_text_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_bytes("title: é\n".encode("latin1"))
    with pytest.raises(WstalError, match=r"own\.yaml"):
        read_yaml(path)


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {
        "kind": {"enum": ["folder", "thumos14"]},
        "train": {
            "type": "object",
            "additionalProperties": False,
            "default": {},
            "properties": {
                "iterations": {"type": "integer", "default": 5},
                "learning_rate": {"type": "number", "default": 0.1},
            },
        },
    },
}


def test_defaults_are_filled_at_every_depth_and_the_input_is_untouched():
    given = {"kind": "folder", "train": {"iterations": 7}}
    assert validated(given, SCHEMA, "a.yaml")["train"] == {"iterations": 7, "learning_rate": 0.1}
    assert given == {"kind": "folder", "train": {"iterations": 7}}
    assert validated({"kind": "folder"}, SCHEMA, "a.yaml")["train"]["iterations"] == 5


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"kind": "folder", "train": {"iteration": 5}}, r"a\.yaml: train\.iteration: unknown key; did you mean 'iterations'"),
        ({"kind": "thumos"}, r"a\.yaml: kind: 'thumos' is not one of .* did you mean 'thumos14'"),
        ({}, r"a\.yaml: top level: 'kind' is a required property"),
        ({"kind": "folder", "train": {"iterations": "x"}}, r"train\.iterations: 'x' is not of type 'integer'"),
        ({"kind": "folder", "zzz": 1}, r"zzz: unknown key; valid keys: kind, train"),
        ({"kind": "folder", 1: 1, None: 1}, r"1: unknown key; .*None: unknown key"),
        ({"kind": "folder", "train": {"iterations": "[1"}}, r"train\.iterations: '\[1' is not of type"),
        ({"kind": "folder", "train": {"iterations": 1.5}}, r"train\.iterations: 1\.5 is not of type"),
    ],
)  # fmt: skip
def test_errors_name_file_key_path_and_nearest_key(value, message):
    with pytest.raises(WstalError, match=message):
        validated(value, SCHEMA, "a.yaml")


def test_numbers_given_as_text_are_read_and_names_stay_text():
    given = {"kind": "folder", "train": {"iterations": "7", "learning_rate": "1.0e-3"}}
    read = validated(given, SCHEMA, "a.yaml")
    assert read["train"] == {"iterations": 7, "learning_rate": 0.001} and read["kind"] == "folder"
    schema = {
        "properties": {
            "seeds": {"type": "array", "items": {"type": "integer"}},
            "videos": {"type": ["string", "null"]},
            "fast": {"type": "boolean"},
            "pool": {"const": 16},
        }
    }
    given = {"seeds": ["0", "1"], "videos": "007", "fast": "true", "pool": "16"}
    assert validated(given, schema, "x") == {
        "seeds": [0, 1],
        "videos": "007",
        "fast": True,
        "pool": 16,
    }


def test_of_two_forms_the_description_says_which_there_are():
    forms = [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {"type": "null"}}}]
    schema = {"properties": {"train": {"anyOf": forms, "description": "of a and b one is null"}}}
    assert validated({"train": {"a": 1, "b": None}}, schema, "x.yaml")
    with pytest.raises(WstalError, match=r"x.yaml: train: .* forms: of a and b one is null"):
        validated({"train": {"a": 1, "b": 2}}, schema, "x.yaml")


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "+1.e-4", ".1e-3"])
def test_a_power_of_ten_is_a_number_though_yaml_says_text(text):
    given = {"kind": "folder", "train": {"learning_rate": text, "iterations": "2e3"}}
    read = validated(given, SCHEMA, "a.yaml")["train"]
    assert read == {"learning_rate": 0.0001, "iterations": 2000}


def test_a_whole_number_written_as_a_fraction_is_one_that_can_count():
    read = validated({"kind": "folder", "train": {"iterations": 2.0}}, SCHEMA, "a.yaml")["train"]
    assert isinstance(read["iterations"], int)


def test_errors_below_keys_of_several_types_are_all_told():
    schema = {"additionalProperties": {"type": "string"}}
    with pytest.raises(WstalError, match=r"1: 2 is not .*\n.*a: 3 is not"):
        validated({"a": 3, 1: 2}, schema, "a.yaml")


@pytest.mark.parametrize("text", [".nan", ".inf", float("inf")])
def test_a_number_that_is_none_is_refused(text):
    schema = {"properties": {"train": {"properties": {"lr": {"type": "number"}}}}}
    with pytest.raises(WstalError, match=r"^a.yaml: train.lr: (nan|inf) is no finite number"):
        validated({"train": {"lr": text}}, schema, "a.yaml")
