"""The flow stage: files, attributes, statuses passed on, bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from threading import Semaphore

import h5py
import numpy as np
import pytest
from textured_motion import sequence
from wstal.base.array_store import (
    BROKEN,
    MISSING,
    OK,
    PARTIAL,
    Record,
    read_arrays,
    read_attrs,
    write_shard,
)
from wstal.base.errors import MediaError
from wstal.base.stage import Job, StageInput
from wstal.flow import codes as chunks_module
from wstal.flow import stage, tvl1
from wstal.flow.algorithm import FlowSettings
from wstal.flow.codes import decode, encode, flow_chunks
from wstal.flow.stage import FlowStage

SETTINGS = FlowSettings(short_side=32, params={"warps": 1})
VIDEO = sequence(40, 32, 40)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the stage over records; `videos` maps a frames file's stem to its gray chunks."""

    def run(records, videos, settings=SETTINGS, code="code", **options):
        def open_frames(path, **size):
            assert size == {"pixels": "gray", "short_side": 32, "interpolation": "bilinear"}
            chunks = videos[path.stem]
            if isinstance(chunks, Exception):
                raise chunks
            return chunks

        monkeypatch.setattr(stage, "open_frames", open_frames)
        write_shard(tmp_path / "frames/shard0.csv", records)
        job = Job(code, tmp_path / "flow", **options)
        made = FlowStage().shard({"frames": tmp_path / "frames/shard0.csv"}, settings, job)
        return {record.id: record for record in made}

    return run


def record(name, status=OK, reason="", rows=40):
    return Record(name, status, rows, "", f"{name}.h5", f"key of {name}", reason)


def test_a_file_holds_codes_in_chunks_of_a_snippet_and_how_they_were_made(run, tmp_path):
    made = run([record("a")], {"a": [VIDEO[:25], VIDEO[25:]]})
    assert (made["a"].status, made["a"].rows) == (OK, 39)
    path = tmp_path / "flow/a.h5"
    np.testing.assert_array_equal(read_arrays(path)["flow"], encode(tvl1(VIDEO, warps=1), 20))
    with h5py.File(path) as file:
        assert file["flow"].chunks == (16, 32, 40, 2)
        assert file["flow"].dtype == np.int8
        assert file["flow"].id.get_storage_size() < file["flow"].size / 1.5  # compressed
    attrs = read_attrs(path)
    assert attrs["bound"] == 20
    assert attrs["algorithm"] == "tvl1"
    assert attrs["semantics"] == "opencv_cpu"
    assert attrs["backend"] == "cpu"
    assert json.loads(attrs["params_json"])["warps"] == 1


def test_progress_is_told_within_a_video(run):
    seen = []

    def within(video, chunks, total):
        for chunk in chunks:
            seen.append((video, len(chunk), total))
            yield chunk

    run([record("a")], {"a": [VIDEO[:25], VIDEO[25:]]}, within=within)
    assert seen == [("a", 25, 40), ("a", 15, 40)]


def test_statuses_are_passed_on(run):
    made = run(
        [
            record("cut", PARTIAL, "ends early"),
            record("gone", MISSING, "no file", 0),
            record("bad", OK),
            record("one"),
        ],
        {"cut": [VIDEO[:3]], "bad": MediaError("bad: unreadable"), "one": [VIDEO[:1]]},
    )
    assert (made["cut"].status, made["cut"].reason, made["cut"].rows) == (PARTIAL, "ends early", 2)
    assert (made["gone"].status, made["gone"].path) == (MISSING, "")
    assert (made["bad"].status, made["bad"].reason) == (BROKEN, "bad: unreadable")
    assert (made["one"].status, made["one"].rows) == (OK, 0)


def test_a_video_without_frames_is_broken(run):
    assert run([record("none")], {"none": []})["none"].status == BROKEN


def test_kept_while_recipe_and_code_hold_whoever_computes(run, tmp_path):
    videos = {"a": [VIDEO[:3]]}
    key = run([record("a")], videos)["a"].key
    made = (tmp_path / "flow/a.h5").stat().st_mtime_ns
    assert run([record("a")], videos, replace(SETTINGS, backend="torch"))["a"].key == key
    assert (tmp_path / "flow/a.h5").stat().st_mtime_ns == made
    assert run([record("a")], videos, replace(SETTINGS, bound=10))["a"].key != key
    assert run([record("a")], videos, code="edited")["a"].key != key


def test_memory_does_not_grow_with_the_video(run):
    settings = FlowSettings("dis", short_side=32)

    def peak(name, frames):
        chunks = (VIDEO[:32].copy() for _ in range(frames // 32))
        tracemalloc.start()
        run([record(name)], {name: chunks}, settings)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak("warm", 256)
    assert peak("long", 2048) < 1.3 * peak("short", 512)


LONG_VIDEO = """
import sys
from pathlib import Path
import numpy as np
from wstal.flow import stage
from wstal.base.array_store import Record, write_shard
from wstal.base.stage import Job

folder, chunks = Path(sys.argv[1]), int(sys.argv[2])
write_shard(folder / "frames.csv", [Record("v", "ok", 50 * chunks, "", "v.h5", "k")])
frames = np.add.outer(np.arange(50), np.add.outer(np.arange(240), np.arange(320))).astype(np.uint8)
rounds = {name: 1 for name in ("nscales", "warps", "inner_iterations", "outer_iterations")}
stage.open_frames = lambda path, **size: (frames.copy() for _ in range(chunks))
settings = stage.FlowSettings(short_side=240, params=rounds)
job = Job("c", folder / "flow", threads=2)
made = stage.FlowStage().shard({"frames": folder / "frames.csv"}, settings, job)
assert made[0].rows == 50 * chunks - 1
# Not ru_maxrss, which starts with what the parent process held.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_an_hour_of_320x240_fits_into_a_gigabyte_and_a_half(tmp_path):
    """The peak of two minutes, and what their second minute added for each further one."""
    peaks = []
    for chunks in (30, 60):  # of 2 s
        command = [sys.executable, "-c", LONG_VIDEO, tmp_path, str(chunks)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(float(done.stdout))
        (tmp_path / "flow/v.h5").unlink()
    grown = max(0, peaks[1] - peaks[0])
    assert peaks[1] + 58 * grown < 1.5e9


def test_learned_weights_count_by_their_content(tmp_path):
    video, job = StageInput("v", "ok", "", "s", {}), Job("c", tmp_path)
    files = [tmp_path / name for name in ("a.pth", "copy.pth", "other.pth")]
    for path, content in zip(files, (b"1", b"1", b"2"), strict=True):
        path.write_bytes(content)
    settings = FlowSettings("raft")
    first, copy, other = (
        FlowStage().key(video, replace(settings, params={"weights": str(path)}), job)
        for path in files
    )
    assert first == copy != other
    assert stage.weights_digest(settings) == ""
    assert FlowStage().key(video, settings, job) != first


def counting_flow(frames):
    """Flow that tells which frames it came from: (k, k + 1) by their gray values."""
    pairs = np.stack([frames[:-1], frames[1:]], axis=-1)
    return pairs.astype(np.float32)


@pytest.mark.parametrize("frames", [2, 16, 17, 18, 33, 50])
@pytest.mark.parametrize("cut", [1, 7, 16, 64])
def test_every_pair_comes_once_whatever_the_chunks(frames, cut):
    video = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None], (frames, 4, 5))
    parts = (video[k : k + cut] for k in range(0, frames, cut))
    chunks = list(flow_chunks(parts, counting_flow, bound=127, pairs=16))
    assert [len(c) for c in chunks[:-1]] == [16] * (len(chunks) - 1)
    flow = np.concatenate(chunks)
    np.testing.assert_array_equal(flow[:, 0, 0, 0], np.arange(frames - 1))
    np.testing.assert_array_equal(flow[:, 0, 0, 1], np.arange(1, frames))


def test_one_frame_gives_an_empty_chunk_and_none_gives_nothing():
    one = list(flow_chunks([np.zeros((1, 6, 8), np.uint8)], tvl1, bound=20))
    assert [c.shape for c in one] == [(0, 6, 8, 2)]
    assert not list(flow_chunks([], tvl1, bound=20))


def test_streaming_changes_no_flow():
    video = sequence(7, 32, 40)
    streamed = np.concatenate(list(flow_chunks([video[:3], video[3:]], tvl1, bound=20, pairs=2)))
    np.testing.assert_array_equal(streamed, encode(tvl1(video), 20))


def test_a_real_clip_gives_opencvs_flow_within_half_a_step(reference):
    from wstal.media.frames import read_frames

    clip = reference / "data/videos/v_Archery_g03_c03.avi"
    size = {"pixels": "gray", "short_side": 96}
    gray = list(read_frames(clip, np.arange(20, 25), chunk=2, **size))
    codes = np.concatenate(list(flow_chunks(gray, tvl1, bound=20)))
    expected = tvl1(np.concatenate(gray), "opencv")
    assert np.abs(expected).max() < 20
    error = np.abs(decode(codes, 20) - expected).mean()
    assert error < 20 / 127 / 2


def test_while_flow_is_computed_all_that_it_takes_next_is_read():
    """A GPU would otherwise wait for the decoder, and the decoder for the GPU."""
    read, pairs = Semaphore(0), 8

    def frames():
        for _ in range(2 * pairs + 1):
            yield np.zeros((1, 4, 4), np.uint8)
            read.release()

    waited = []

    def flow(images):
        if not waited:  # while the first pairs are computed, the frames of the next ones come
            waited.append(all(read.acquire(timeout=2) for _ in range(2 * pairs)))
        return np.zeros((len(images) - 1, 4, 4, 2), np.float32)

    assert [len(codes) for codes in flow_chunks(frames(), flow, bound=20, pairs=pairs)] == [8, 8]
    assert waited == [True]


def test_of_large_frames_fewer_are_given_at_a_time(monkeypatch):
    monkeypatch.setattr(chunks_module, "PIXELS", 40 * 4 * 5)
    video = np.zeros((100, 4, 5), np.uint8)
    made = [len(codes) for codes in flow_chunks([video], counting_flow, bound=127, pairs=64)]
    assert made == [32, 32, 32, 3]
    monkeypatch.setattr(chunks_module, "PIXELS", 1)
    made = [len(codes) for codes in flow_chunks([video[:40]], counting_flow, bound=127, pairs=64)]
    assert made == [16, 16, 7]  # a snippet's at least
