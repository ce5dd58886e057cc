"""Torch files with arrays are read without running anything in them."""

import numpy as np
import pytest
import torch
from wstal.errors import WstalError
from wstal.nets.plain_file import Inert, read_plain


class Hostile:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "u1", "?"])
def test_arrays_of_numbers(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    torch.save({"data": array, "tensor": torch.ones(2), "path": "x"}, tmp_path / "a.pt")
    read = read_plain(tmp_path / "a.pt")
    assert read["data"].dtype == array.dtype and read["path"] == "x"
    np.testing.assert_array_equal(read["data"], array)


def test_arrays_pickled_by_an_older_numpy(tmp_path):
    torch.save({"a": np.arange(3.0)}, tmp_path / "new.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "new.pt").read_bytes()
    old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != content
    (tmp_path / "old.pt").write_bytes(old)
    assert read_plain(tmp_path / "old.pt")["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [Hostile(), np.array([Hostile()], dtype=object)])
def test_what_would_run_is_refused_without_running(tmp_path, capsys, content):
    torch.save({"a": content}, tmp_path / "hostile.pt")
    with pytest.raises(WstalError, match=r"hostile\.pt"):
        read_plain(tmp_path / "hostile.pt")
    assert "run" not in capsys.readouterr().out


class Settings:
    """Of a library that a reader may not have."""

    def __init__(self):
        self.values = {"streams": None, "nested": [Hostile()]}


def test_arrays_beside_other_objects(tmp_path, capsys):
    """As the public reference features are stored: with the settings that made them."""
    torch.save({"args": Settings(), "data": np.arange(4.0)}, tmp_path / "a.pt")
    with pytest.raises(WstalError, match="Settings|print"):
        read_plain(tmp_path / "a.pt")
    read = read_plain(tmp_path / "a.pt", others_inert=True)
    assert read["data"].tolist() == [0, 1, 2, 3] and isinstance(read["args"], Inert)
    assert not vars(read["args"]) and "run" not in capsys.readouterr().out


def test_absent_and_damaged(tmp_path):
    with pytest.raises(WstalError, match="no file"):
        read_plain(tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes(b"nothing")
    with pytest.raises(WstalError, match=r"a\.pt"):
        read_plain(tmp_path / "a.pt")
