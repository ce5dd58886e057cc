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
from types import SimpleNamespace

import pytest
import torch
from wstal.base import gpu_use
from wstal.base.device import _free_gpu, device_name, lease, lock_folder
from wstal.base.errors import WstalError
from wstal.base.gpu_use import GpuUse, Nvml, recorded_use
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


class StandIn:
    """Two GPUs as NVML tells of them; the second takes 250 J from one question to the next."""

    names = (b"GPU-aa-0", b"GPU-bb-1")

    def __init__(self):
        self.asked = 0

    def nvmlInit_v2(self):
        return 0

    def nvmlDeviceGetCount_v2(self, count):
        count._obj.value = len(self.names)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, device):
        device._obj.value = index + 1
        return 0

    def nvmlDeviceGetUUID(self, device, name, size):
        name.value = self.names[device.value - 1]
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device, millijoules):
        if device.value == 1:
            return 3  # not supported
        millijoules._obj.value = 10**6 + 250_000 * self.asked
        self.asked += 1
        return 0

    def nvmlDeviceGetUtilizationRates(self, device, rates):
        rates._obj[0] = 90 if device.value == 2 else 5
        return 0


@pytest.fixture
def second_gpu(monkeypatch):
    """Torch as if 3 MB had been allocated on the second of two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda n: 3_000_000 * n)
    about = SimpleNamespace(uuid="bb-1")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda n: about)
    monkeypatch.setattr(gpu_use, "_EVERY", 0.01)


def test_a_job_knows_memory_utilization_and_energy_of_its_gpu(second_gpu, tmp_path):
    with GpuUse(Nvml(StandIn())) as use:
        time.sleep(0.1)
    (tmp_path / "train.log").write_text(f"train 1/1\n{use.line}\n")
    found = recorded_use(tmp_path / "train.log")
    assert found == {"gpu_memory_mb": 3, "gpu_percent": 90, "gpu_energy_kj": 0.25}


def test_without_nvml_the_memory_is_known(second_gpu):
    with GpuUse() as use:
        pass
    assert use.line == 'gpu use: {"gpu_memory_mb": 3.0}'


def test_a_job_on_the_cpu_says_nothing_of_gpus(tmp_path):
    with GpuUse() as use:
        torch.ones(3).sum()
    assert use.line == "" and recorded_use(tmp_path / "absent.log") == {}


PARENT = """
import os, time
from wstal.base.gpu_use import GpuUse, Nvml, recorded_use
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
