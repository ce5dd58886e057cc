"""A YAML file gives its mapping, or says what is wrong and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.base.files import canonical_json
from wstal.commands.config import commented_run, commented_yaml, field_comments
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


@pytest.mark.parametrize(
    "text", ["a: 1\nb: 2\na: 3\n", "t:\n  a: {b: 1}\n  a: {c: 2}\n", "t:\n  - a: 1\n    a: 2\n"]
)
def test_a_key_given_twice_is_named_and_not_lost(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(WstalError, match=r"own\.yaml .*line 3, .*'a' is repeated"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a:\n  b: 1\n\tc: 2\n",
            r"own\.yaml is not YAML: line 3, column 1: .*by spaces, not by tabs$",
        ),
        ("a: 1\nb: [1\nc: 2\n", r"own\.yaml is not YAML: line 3, column \d+: [^\n\t]*$"),
        ("a: 'x\n", r"own\.yaml is not YAML: line \d, column \d+: "),
        ("a: \x07\n", r"own\.yaml is not YAML: .*position 3"),
    ],
)
def test_what_the_parser_says_has_the_files_line_and_not_a_strings(tmp_path, text, message):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(WstalError, match=message) as caught:
        read_yaml(path)
    assert "unicode string" not in str(caught.value)


def test_an_alias_of_what_holds_it_ends(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("a: &a {b: *a}\n")
    content = read_yaml(path)
    assert content["a"]["b"] is content["a"]


def test_anchors_may_be_merged_and_overridden(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("top: {<<: &b {<<: &a {x: 1, y: 1}, x: 2}, y: 3}\nnext: {<<: [*a, *b]}\n")
    assert read_yaml(path) == {"top": {"x": 2, "y": 3}, "next": {"x": 1, "y": 1}}


def test_text_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_bytes("title: é\n".encode("latin1"))
    with pytest.raises(WstalError, match=r"own\.yaml"):
        read_yaml(path)


# Resolved trees as YAML with the comments of their settings classes.


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
    # Keys that came later are in no tree that does not give them, but people look for them here.
    tree["data"] = {"length_seconds": None, "fit_length": False} | tree["data"]
    tree["train"] = {"lr_width": None} | tree["train"]
    assert yaml.safe_load(text) == {key: value for key, value in tree.items() if value != {}}
    assert all(len(line) <= 100 for line in text.splitlines())
