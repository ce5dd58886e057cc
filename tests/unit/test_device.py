import pytest
import torch
from wstal.device import _free_gpu, device_name, lease
from wstal.errors import WstalError


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
        with _free_gpu(2, tmp_path) as third:
            assert third == 0  # all taken: shared rather than refused
    with _free_gpu(2, tmp_path) as again:
        assert again == 0


def test_a_gpu_chosen_by_the_cluster_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with lease("auto") as device:
        assert device == torch.device("cuda", 0)
