from pathlib import Path

from wstal.inference.video_ids import video_ids


def test_a_video_is_called_by_its_name_where_that_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [Path("a/x.mp4"), Path("b/x.mp4"), Path("y.1.mkv"), tmp_path / "y.1.mkv"]
    found = video_ids(paths)
    assert list(found) == ["a/x.mp4", "b/x.mp4", "y.1"]
    assert found["y.1"].absolute() == tmp_path / "y.1.mkv"
