import pytest
from wstal.config.validate import validated
from wstal.errors import WstalError

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
