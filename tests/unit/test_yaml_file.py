"""A YAML file gives its mapping, or says what is wrong and where."""

import pytest
from wstal.config.yaml_file import read_yaml
from wstal.errors import WstalError


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
