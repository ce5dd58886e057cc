"""GPUs are leased one by one; threads and processes that work for this one end with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from wstal.base.device import _free_gpu, device_name, lease, lock_folder
from wstal.base.errors import WstalError
from wstal.base.parallel import read_ahead, worker_pool


def test_cpu_is_named_and_nothing_falls_back_in_silence(monkeypatch):
    with lease("cpu") as device:
        assert device.type == "cpu" and device_name(device).startswith("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with lease("auto") as device:
        assert device.type == "cpu"
    with pytest.raises(WstalError, match="torch sees no GPU"), lease("cuda"):
        pass
    with pytest.raises(WstalError, match="'gpu' is not one of"), lease("gpu"):
        pass


def test_each_lease_takes_a_gpu_of_its_own(tmp_path):
    with _free_gpu(2, tmp_path) as first, _free_gpu(2, tmp_path) as second:
        assert (first, second) == (0, 1)
        with _free_gpu(2, tmp_path) as third, _free_gpu(2, tmp_path) as fourth:
            assert (third, fourth) == (0, 1)  # all taken: shared evenly rather than refused
    with _free_gpu(2, tmp_path) as again:
        assert again == 0


def test_a_gpu_chosen_by_the_cluster_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with lease("auto") as device:
        assert device == torch.device("cuda", 0)


def test_several_visible_gpus_are_leased_one_by_one(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    with lease("auto") as first, lease("auto") as second:
        assert (first.index, second.index) == (0, 1)
    folder = tmp_path / f"wstal-{os.getuid()}"
    assert {path.name for path in folder.iterdir()} == {"gpu4.lock", "gpu6.lock"}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_lock_follows_no_link_and_is_in_no_folder_of_others(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    victim, own = tmp_path / "victim", tmp_path / f"wstal-{os.getuid()}"
    victim.write_text("content")
    lock_folder()
    (own / "gpu0.lock").symlink_to(victim)
    with pytest.raises(OSError), _free_gpu(2):
        pass
    assert victim.read_text() == "content"
    own.chmod(0o777)
    with pytest.raises(WstalError, match="only this user writes to.*set TMPDIR"):
        lock_folder()
    shutil.rmtree(own)
    own.symlink_to(tmp_path)
    with pytest.raises(WstalError, match="only this user writes to"):
        lock_folder()


def test_items_come_in_order_and_all():
    assert list(read_ahead(range(50), depth=3)) == list(range(50))
    assert list(read_ahead([])) == []


def test_the_producer_runs_only_so_far_ahead():
    made = []

    def items():
        for k in range(20):
            made.append(k)
            yield k

    reader = read_ahead(items(), depth=2)
    assert next(reader) == 0
    time.sleep(0.3)
    assert len(made) <= 4  # one taken, two waiting, one in hand
    reader.close()


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("no more")

    seen = []
    with pytest.raises(ValueError, match="no more"):
        for item in read_ahead(items()):
            seen.append(item)
    assert seen == [1]


def test_a_reader_that_leaves_ends_the_thread():
    before = threading.active_count()
    reader = read_ahead(iter(range(1000)))
    next(reader)
    reader.close()
    assert threading.active_count() == before


PARENT = """
import os, time
from wstal.base.parallel import worker_pool
if __name__ == "__main__":
    with worker_pool(2) as pool:
        print(*{pool.submit(os.getpid).result() for _ in range(20)}, flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_results_come_in_the_order_of_the_work():
    with worker_pool(2) as pool:
        assert list(pool.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]


def test_no_worker_is_left_of_a_process_that_is_killed(project, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": str(project / "workflow")}
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment
    )
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert workers and all(alive(pid) for pid in workers)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 20
    while any(alive(pid) for pid in workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in workers if alive(pid)]
