import errno
from dataclasses import dataclass

import hdf5plugin
import numpy as np
import pytest
from wstal.base.array_store import (
    Record,
    artefact_key,
    create_arrays,
    has_key,
    process_shard,
    read_arrays,
    read_attrs,
    read_shard,
    safe_name,
    unseen,
    write_shard,
)
from wstal.base.errors import DiskFullError, MediaError, WstalError


@dataclass(frozen=True)
class Video:
    id: str


@pytest.mark.parametrize(
    ("video", "name"),
    [("v_a.b-1", "v_a.b-1"), ("a/b", "a%2Fb"), ("..", "%2E%2E"), ("ü~", "%C3%BC%7E"), (".", "%2E")],
)
def test_names_stay_inside_their_folder(video, name):
    assert safe_name(video) == name


def test_a_long_title_in_any_script_can_name_files(tmp_path):
    title = "运动员在室内体育馆进行跳水训练的完整录像" * 3
    (first, last), path = (safe_name(title + end) for end in ("a", "b")), tmp_path / "x"
    assert first != last and first == safe_name(title + "a")
    with create_arrays(
        path / f"{first}_flow_attention.h5", id=title, stage="s", key="k", provenance={}
    ):
        pass
    assert safe_name("a" * 200) == "a" * 200  # of what fits every letter stays


def test_empty_id_is_refused():
    with pytest.raises(WstalError, match="empty"):
        safe_name("")


def test_key_depends_on_everything_that_makes_the_result():
    base = artefact_key("src", "flow", {"bound": 20}, "code")
    assert base == artefact_key("src", "flow", {"bound": 20}, "code")
    others = [
        artefact_key("other", "flow", {"bound": 20}, "code"),
        artefact_key("src", "i3d", {"bound": 20}, "code"),
        artefact_key("src", "flow", {"bound": 32}, "code"),
        artefact_key("src", "flow", {"bound": 20}, "edit"),
    ]
    assert len({base, *others}) == 5


def test_streamed_array_equals_whole_and_hashes_alike(tmp_path):
    values = np.arange(70 * 6, dtype=np.int8).reshape(70, 3, 2)
    for name, chunks in (("a", [70]), ("b", [1, 40, 29])):
        path = tmp_path / f"{name}.h5"
        with create_arrays(path, id="v", stage="flow", key="k", provenance={"p": 1}) as file:
            stream = file.stream("flow", (3, 2), np.int8, chunk_rows=16, **hdf5plugin.Zstd(1))
            start = 0
            for count in chunks:
                stream.append(values[start : start + count])
                start += count
    a, b = tmp_path / "a.h5", tmp_path / "b.h5"
    assert np.array_equal(read_arrays(a)["flow"], values)
    assert read_attrs(a)["sha256"] == read_attrs(b)["sha256"]
    assert has_key(a, "k") and not has_key(a, "other") and not has_key(tmp_path / "none.h5", "k")
    a.write_bytes(a.read_bytes()[:100])
    assert not has_key(a, "k")


def run(folder, make, videos=("a", "b", "c"), code="1"):
    return process_shard(
        [Video(v) for v in videos],
        stage="s",
        directory=folder,
        key_of=lambda item: artefact_key(item.id, "s", {}, code),
        make=make,
        provenance={},
    )


def test_a_broken_video_is_a_status_and_present_ones_are_kept(tmp_path):
    made = []

    def make(item, file):
        made.append(item.id)
        if item.id == "b":
            raise MediaError("b.mp4 has_key no frames")
        file.write("x", np.ones((2, 3)))
        return 2

    records = run(tmp_path, make)
    assert [(r.id, r.status, r.rows) for r in records] == [
        ("a", "ok", 2),
        ("b", "broken", 0),
        ("c", "ok", 2),
    ]
    assert records[1].reason == "b.mp4 has_key no frames" and not records[1].usable
    assert run(tmp_path, make) == records and made == ["a", "b", "c", "b"]
    run(tmp_path, make, code="2")
    assert made[4:] == ["a", "b", "c"]


def test_an_unexpected_failure_names_its_video_and_keeps_the_others(tmp_path):
    def make(item, file):
        if item.id == "b":
            raise ZeroDivisionError("oops")
        file.write("x", np.ones(1))
        return 1

    with pytest.raises(WstalError, match=r"1 of 3 videos failed.*b: ZeroDivisionError: oops"):
        run(tmp_path, make)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "c.h5"]


def test_shard_manifest_round_trip(tmp_path):
    records = [Record("b", "ok", 3, "s", "b.h5", "k"), Record("a", "broken", 0, "", "", "k", "x,y")]
    write_shard(tmp_path / "shard0.csv", records)
    assert read_shard(tmp_path / "shard0.csv") == records[::-1]


def test_progress_that_nobody_watches_leaves_the_chunks_alone():
    chunks = iter([1, 2])
    assert unseen("v", chunks, 2) is chunks


def test_a_full_disk_ends_the_shard_at_its_first_video(tmp_path):
    tried = []

    def make(video, file):
        tried.append(video.id)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFullError, match=r"a\.h5: the disk is full"):
        process_shard(
            [Video("a"), Video("b")], stage="s", directory=tmp_path, key_of=lambda video: "k",
            make=make, provenance={},
        )  # fmt: skip
    assert tried == ["a"] and not list(tmp_path.iterdir())
