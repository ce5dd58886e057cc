"""Files of ids: by name or path, with or without v_, duplicates and near misses told."""

import pytest
from wstal.video.find import find_videos


@pytest.fixture
def folder(tmp_path):
    for name in (
        "plain.mp4",
        "deep/er/nested.MKV",
        "v_prefixed.webm",
        "bare.avi",
        "twice.mp4",
        "b/twice.mkv",
        "b/path.mp4",
        "path.mp4",
        "video_test_0000012.mp4",
        "notes.txt",
        ".hidden.mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def found(folder, video):
    (result,) = find_videos(folder, [video])
    return result.path and result.path.relative_to(folder).as_posix(), result.note


@pytest.mark.parametrize(
    ("video", "path"),
    [
        ("plain", "plain.mp4"),
        ("nested", "deep/er/nested.MKV"),
        ("deep/er/nested", "deep/er/nested.MKV"),
        ("prefixed", "v_prefixed.webm"),
        ("v_bare", "bare.avi"),
    ],
)
def test_one_file(folder, video, path):
    assert found(folder, video) == (path, "")


def test_duplicates_are_told_and_a_path_decides(folder):
    assert found(folder, "twice") == (
        "twice.mp4",
        "2 files carry this id, not used: b/twice.mkv",
    )
    assert found(folder, "b/path") == ("b/path.mp4", "")
    assert found(folder, "path")[0] == "path.mp4"


def test_a_name_with_its_extension_decides(folder):
    (folder / "plain.avi").write_bytes(b"x")
    named = {"plain": "plain.mp4", "twice": "twice.mkv", "bare": "bare.mov", "path": "path.mp4"}
    taken = {each.id: each.path.relative_to(folder).as_posix()
             for each in find_videos(folder, named, named)}  # fmt: skip
    assert taken == {"plain": "plain.mp4", "twice": "b/twice.mkv", "bare": "bare.avi",
                     "path": "path.mp4"}  # fmt: skip
    assert found(folder, "plain")[0] == "plain.avi"


def test_a_name_with_its_accents_apart_is_found(folder):
    (folder / "e\u0301te\u0301.ts").write_bytes(b"x")
    assert found(folder, "\u00e9t\u00e9") == ("e\u0301te\u0301.ts", "")


@pytest.mark.parametrize("video", ["notes", ".hidden", "hidden", "PLAINER_THING"])
def test_absent(folder, video):
    path, note = found(folder, video)
    assert path is None
    assert f"below {folder}" in note


def test_near_misses_are_named(folder):
    assert "similar: video_test_0000012.mp4" in found(folder, "video_test_0000021")[1]
    assert "similar: plain.mp4" in found(folder, "Plain")[1]
    for path in ("/data/clips/plain.mp4", "clips\\plain.mp4"):  # of another machine
        assert "similar: plain.mp4" in found(folder, path)[1]


def test_a_folder_that_is_not_there(tmp_path):
    (result,) = find_videos(tmp_path / "videos", ["a"])
    assert result.note == f"the video folder {tmp_path / 'videos'} does not exist"
