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
    assert {path.name.split("-")[1] for path in tmp_path.iterdir()} == {"gpu4", "gpu6"}
