import json

import pytest
from wstal.atomic import atomic_path, write_csv, write_json


def test_file_appears_only_when_the_block_succeeds(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.suffix == ".txt" and temporary.parent == target.parent
    assert target.read_text() == "new"


def test_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_refuses_nan_and_keeps_text(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Ärger", "x": [1, 2]})
    assert json.loads((tmp_path / "a.json").read_text())["name"] == "Ärger"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text())["x"] == [1, 2]


def test_csv_refuses_unknown_columns(tmp_path):
    write_csv(tmp_path / "a.csv", ["a", "b"], [{"a": 1, "b": 'x,"y"'}])
    assert (tmp_path / "a.csv").read_text() == 'a,b\n1,"x,""y"""\n'
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_csv(tmp_path / "a.csv", ["a"], [{"c": 1}])
