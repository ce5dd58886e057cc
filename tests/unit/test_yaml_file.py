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
