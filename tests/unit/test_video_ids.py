from pathlib import Path

import pytest
from wstal.errors import WstalError
from wstal.inference.video_ids import video_ids


def test_a_video_is_called_by_its_name_where_that_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [Path("a/x.mp4"), Path("b/x.mp4"), Path("y.1.mkv"), tmp_path / "y.1.mkv"]
    found = video_ids(paths)
    assert list(found) == ["a/x.mp4", "b/x.mp4", "y.1"]
    assert found["y.1"].absolute() == tmp_path / "y.1.mkv"


def test_a_folder_stands_for_the_videos_below_it(tmp_path):
    for name in ("a.mp4", "run/b.AVI", "run/.c.mp4", "run/notes.txt", "jump/b.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = video_ids([tmp_path, tmp_path / "a.mp4"])
    twins = [(tmp_path / name).as_posix() for name in ("jump/b.avi", "run/b.AVI")]
    assert list(found) == ["a", *twins]
    (tmp_path / "empty").mkdir()
    with pytest.raises(WstalError, match=r"empty: no video is below this folder .*\.mp4"):
        video_ids([tmp_path / "empty"])
