"""A worker takes no more memory than it may, and a video that it dies of costs no other."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from wstal.base import memory
from wstal.base.array_store import process_shard
from wstal.base.errors import MediaError, WstalError
from wstal.base.job_environment import prepare_jobs

SHARD = """
import os, signal, sys
from types import SimpleNamespace
import numpy as np
from wstal.base import memory
from wstal.base.array_store import process_shard, write_shard

kills = iter(range(100))
memory._oom_kills = lambda: next(kills)  # as if the kernel had killed one meanwhile
{start}

def make(video, file):
    if video.id == "bad":
        {bad}
    file.write("a", np.zeros(3))
    return 3

records = process_shard(
    [SimpleNamespace(id=name) for name in ("a", "bad", "z")], stage="flow",
    directory=sys.argv[1], key_of=lambda video: video.id, make=make, provenance={{}},
)
write_shard(sys.argv[1] + "/shard.csv", records)
"""
ISOLATE = "memory.isolate(lambda line: print(line, file=sys.stderr, flush=True))"


def run_shard(folder, start: str, bad: str, **environment) -> subprocess.CompletedProcess:
    code = SHARD.format(start=start, bad=bad)
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "out of memory at flow"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV) at flow"),
    ],
)
def test_a_video_that_its_job_dies_of_is_broken_and_the_others_go_on(bad, reason, tmp_path):
    done = run_shard(tmp_path, ISOLATE, bad)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "shard.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:3] for row in rows] == [
        ["a", "ok", "3"], ["bad", "broken", "0"], ["z", "ok", "3"],
    ]  # fmt: skip
    assert reason in rows[1]
    assert len(done.stderr.splitlines()) == 1 and "video bad: a worker" in done.stderr


def test_a_job_that_dies_of_every_video_ends_as_they_do(tmp_path):
    start = f"memory.MOST_DEATHS = 0; {ISOLATE}"
    done = run_shard(tmp_path, start, "os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "shard.csv").exists()
    without = f"memory._oom_kills = lambda: 0; {ISOLATE}"  # somebody else's kill -9
    done = run_shard(tmp_path, without, "os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL
    done = run_shard(tmp_path, ISOLATE, "sys.exit(7)")
    assert done.returncode == 7


def test_a_worker_with_a_limit_makes_a_video_broken_that_needs_more(tmp_path):
    bad = "np.ones(1 << 29)"
    given = {memory.MAX_MEMORY: str(256 << 20)}
    done = run_shard(tmp_path, "memory.limit_memory()", bad, **given)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "shard.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["ok", "broken", "ok"]
    assert "out of memory at flow" in rows[1] and "max_memory (now 0.25 GiB" in rows[1]


@pytest.mark.slow
def test_a_worker_that_the_kernel_kills_for_its_memory_costs_one_video(tmp_path):
    group = Path("/sys/fs/cgroup/memory/wstal-test")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(400 << 20))
    except OSError:
        pytest.skip("no control group whose memory this user may limit")
    code = SHARD.replace("memory._oom_kills =", "unused =").format(
        start=ISOLATE, bad="kept = [np.ones(1 << 22) for _ in range(40)]"
    )
    inside = 'echo $$ > "$1/cgroup.procs" && exec "$2" -c "$3" "$4"'
    command = ["bash", "-c", inside, "-", group, sys.executable, code, tmp_path]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    finally:
        group.rmdir()
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "shard.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["ok", "broken", "ok"]
    assert "video bad: a worker ran out of memory" in done.stderr


def test_no_worker_outlives_its_parent_and_signals_reach_it(tmp_path):
    code = f"""
import sys, time
from wstal.base import memory
{ISOLATE}
open(sys.argv[1], "w").write(str(__import__("os").getpid()))
time.sleep(60)
"""
    for number in (signal.SIGTERM, signal.SIGKILL):
        path = tmp_path / str(number)
        os.mkfifo(path)
        job = subprocess.Popen([sys.executable, "-c", code, str(path)])
        child = os.pidfd_open(int(path.read_text()))
        job.send_signal(number)
        assert job.wait() == -number
        assert select.select([child], [], [], 30)[0]  # readable once the process has ended
        os.close(child)


def test_libraries_say_in_their_own_words_that_memory_is_used_up():
    assert memory.is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert memory.is_out_of_memory(raised.value)
    try:
        raise MediaError("a.mp4: cannot be read") from MemoryError()
    except MediaError as error:
        assert memory.is_out_of_memory(error)
    for other in (ValueError("bad"), WstalError("std::bad_alloc is a class"), None):
        assert not memory.is_out_of_memory(other)


def test_the_limit_is_a_share_of_the_machine_or_what_the_configuration_says(monkeypatch):
    monkeypatch.delenv(memory.MAX_MEMORY, raising=False)
    assert 0 < memory.max_memory() <= memory.machine_memory() / 2
    for variable in ("PYTHONPATH", "PATH", "WSTAL_ACCEPTED_CODE", "WSTAL_STARTED_BY"):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
    monkeypatch.setenv(memory.MAX_MEMORY, "")
    prepare_jobs("/project", {}, max_memory=1.5)
    assert memory.max_memory() == 3 << 29


def test_memory_that_a_shard_lacks_is_a_reason_and_no_failure(tmp_path):
    class Video:
        id = "a"

    def make(video, file):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    about = {"stage": "i3d_rgb", "directory": tmp_path, "provenance": {}}
    (record,) = process_shard([Video()], key_of=lambda _: "key", make=make, **about)
    assert record.status == "broken" and record.reason.startswith("out of memory at i3d_rgb")
    assert np.array_equal([path.name for path in tmp_path.iterdir()], [])
