import pytest
from wstal.listing import shard_listing, videos_below
from wstal.shards import shard_of


@pytest.fixture
def clips(tmp_path):
    for name in ("a", "b", "c", "sub/d"):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def changed(before, after):
    return [shard for shard, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]


def test_a_video_added_concerns_its_own_shard(clips):
    ids = dict(zip("abcd", "abcd", strict=True)) | {"new": "new"}
    before = shard_listing(clips, 16, ids)
    (clips / "new.mkv").write_bytes(b"y")
    assert changed(before, shard_listing(clips, 16, ids)) == [shard_of("new", 16)]


def test_a_label_added_concerns_its_own_shard_and_unlisted_files_do_not_count(clips):
    listed = {"a": "a", "b": "b"}
    before = shard_listing(clips, 16, listed)
    assert changed(before, shard_listing(clips, 16, listed | {"c": "c"})) == [shard_of("c", 16)]
    (clips / "zzz.mp4").write_bytes(b"y")
    (clips / "notes.txt").write_bytes(b"y")
    assert shard_listing(clips, 16, listed) == before
    named = shard_listing(clips, 16, listed | {"a": "a.mp4"})  # another file may have to be taken
    assert changed(before, named) == [shard_of("a", 16)]


def test_a_replaced_video_is_seen_and_a_missing_folder_is_empty(clips):
    before = shard_listing(clips, 4)
    (clips / "sub" / "d.mp4").write_bytes(b"longer")
    assert shard_of("d", 4) in changed(before, shard_listing(clips, 4))
    assert len(set(shard_listing(clips / "none", 4))) == 1


def test_linked_folders_are_entered_once_and_hidden_files_are_none(tmp_path, clips):
    disk = tmp_path / "disk"
    disk.mkdir()
    for name in ("e.MTS", "._e.mts", "deep.txt"):
        (disk / name).write_bytes(b"x")
    (clips / "linked").symlink_to(disk, target_is_directory=True)
    (disk / "back").symlink_to(clips, target_is_directory=True)
    found = [path.name for path in videos_below(clips / "linked")]
    assert sorted(found) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.MTS"]


def test_a_name_with_its_accents_apart_is_the_listed_one(tmp_path):
    before = shard_listing(tmp_path, 16, {"\u00e9t\u00e9": "\u00e9t\u00e9"})
    (tmp_path / "e\u0301te\u0301.mp4").write_bytes(b"x")
    assert shard_listing(tmp_path, 16, {"\u00e9t\u00e9": "\u00e9t\u00e9"}) != before
