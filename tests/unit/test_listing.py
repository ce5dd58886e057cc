import pytest
from wstal.listing import shard_listing
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
    ids = ["a", "b", "c", "d", "new"]
    before = shard_listing(clips, 16, ids)
    (clips / "new.mkv").write_bytes(b"y")
    assert changed(before, shard_listing(clips, 16, ids)) == [shard_of("new", 16)]


def test_a_label_added_concerns_its_own_shard_and_unlisted_files_do_not_count(clips):
    before = shard_listing(clips, 16, ["a", "b"])
    assert changed(before, shard_listing(clips, 16, ["a", "b", "c"])) == [shard_of("c", 16)]
    (clips / "zzz.mp4").write_bytes(b"y")
    (clips / "notes.txt").write_bytes(b"y")
    assert shard_listing(clips, 16, ["a", "b"]) == before


def test_a_replaced_video_is_seen_and_a_missing_folder_is_empty(clips):
    before = shard_listing(clips, 4)
    (clips / "sub" / "d.mp4").write_bytes(b"longer")
    assert shard_of("d", 4) in changed(before, shard_listing(clips, 4))
    assert len(set(shard_listing(clips / "none", 4))) == 1
