import os
import sys
from pathlib import Path

from wstal.checkout import accepted_code, gpu_count, prepare_jobs


def test_jobs_find_this_checkout_first_and_once(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("WSTAL_ACCEPTED_CODE", "{}")
    prepare_jobs("/project", {"a": "b"})
    prepare_jobs("/project", {"a": "b"})
    assert accepted_code() == {"a": "b"}
    assert os.environ["PYTHONPATH"] == "/project/workflow:/elsewhere"
    assert os.environ["PATH"] == f"{Path(sys.executable).parent}:/bin"


def test_gpus_are_those_that_are_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert gpu_count() == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_count() == 0
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpu_count() == len(list(Path("/dev").glob("nvidia[0-9]*")))
