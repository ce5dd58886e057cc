"""What jobs inherit from the checkout that starts them, and how many GPUs they ask for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from wstal.base.errors import WstalError
from wstal.base.job_environment import accepted_code, gpu_count, gpus_per_job, prepare_jobs


def test_jobs_find_this_checkout_first_and_once(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("WSTAL_ACCEPTED_CODE", "{}")
    prepare_jobs("/project", {"a": "b"})
    prepare_jobs("/project", {"a": "b"})
    assert accepted_code() == {"a": "b"}
    assert os.environ["PYTHONPATH"] == "/project/workflow:/elsewhere"
    assert os.environ["PATH"] == f"{Path(sys.executable).parent}:/bin"


@pytest.mark.parametrize("name", ["a:b", "a{dataset}", "a}", "a\nb"])
def test_a_checkout_whose_path_would_be_misread_is_refused(name):
    with pytest.raises(WstalError, match="path of the checkout.*rename the folder"):
        prepare_jobs(f"/home/{name}/wstal", {})


def test_gpus_are_those_that_are_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert gpu_count() == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_count() == 0
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpu_count() == len(list(Path("/dev").glob("nvidia[0-9]*")))


@pytest.mark.parametrize(
    "device, here, allowed, gpus",
    [
        ("auto", 0, None, 0),
        ("auto", 2, None, 1),
        ("auto", 2, 4, 1),
        ("auto", 0, 0, 0),  # a job on a node without a GPU, of a run that found none
        ("cuda", 0, 16, 1),  # a login node
        ("cpu", 2, 16, 0),
    ],
)
def test_a_job_asks_for_a_gpu_where_there_are_some(device, here, allowed, gpus):
    assert gpus_per_job(device, here, allowed) == gpus


def test_gpus_that_were_promised_are_missed():
    with pytest.raises(WstalError, match="up to 16 GPU jobs.*device=cuda"):
        gpus_per_job("auto", 0, 16)
