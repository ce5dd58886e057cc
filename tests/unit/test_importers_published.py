"""Arrays are numbers, and joint ones have the width that the recipe says."""

import numpy as np
import pytest
from wstal.errors import MediaError, WstalError
from wstal.features.importers.published import files_below, load_array, numbers, split_joint


def test_only_arrays_of_numbers_are_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    assert load_array(tmp_path / "a.npy").shape == (2, 3)
    np.save(tmp_path / "b.npy", np.array(["text"]))
    with pytest.raises(WstalError, match="no array of numbers"):
        load_array(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(b"")
    with pytest.raises(MediaError, match=r"c\.npy is damaged"):
        load_array(tmp_path / "c.npy")
    with pytest.raises(WstalError):
        numbers([1, 2], tmp_path)


def test_joint_arrays_are_split_in_order(tmp_path):
    parts = split_joint(
        np.arange(10).reshape(2, 5), ["flow", "rgb"], {"rgb": 3, "flow": 2}, tmp_path
    )
    assert parts["flow"].tolist() == [[0, 1], [5, 6]] and parts["rgb"].shape == (2, 3)
    with pytest.raises(WstalError, match="flow 2 [+] rgb 4"):
        split_joint(np.zeros((2, 5)), ["flow", "rgb"], {"rgb": 4, "flow": 2}, tmp_path)


def test_hidden_files_are_not_read(tmp_path):
    for name in ("b.npy", "a.npy", "._a.npy"):
        (tmp_path / name).touch()
    assert [path.name for path in files_below(tmp_path, ".npy")] == ["a.npy", "b.npy"]
