"""Arrays and plain values are read from .npy and torch files; no code in a file runs."""

from __future__ import annotations

import io
import os
import pickle
import struct

import numpy as np
import pytest
import torch
from published_sets import write_object_array
from wstal.base import restricted_pickle
from wstal.base.errors import WstalError
from wstal.base.restricted_pickle import read_object_array
from wstal.base.torch_files import Inert, read_plain


def write_pickle(path, payload, length=1):
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(payload)
    return path


@pytest.mark.parametrize("protocol", [0, 2, 3, 4])
def test_lists_arrays_numbers_and_both_kinds_of_text_come_back(tmp_path, protocol):
    values = [[np.array([1.5, 2.0]), b"ab", np.float64(3)], ["é", (1, 2), None, np.array(["u"])]]
    write_object_array(tmp_path / "a.npy", values, protocol)
    read = read_object_array(tmp_path / "a.npy")
    assert read.shape == (2,)
    assert read[0] == [[1.5, 2.0], "ab", 3.0]
    assert read[1] == ["é", [1, 2], None, ["u"]]


def test_arrays_inside_keep_their_shape(tmp_path):
    pairs = np.array([[1.0, 2.5], [3.0, 4.0]])
    fortran = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    write_object_array(tmp_path / "a.npy", [pairs, fortran])
    assert read_object_array(tmp_path / "a.npy")[0] == [[1.0, 2.5], [3.0, 4.0]]
    kept = read_object_array(tmp_path / "a.npy", arrays=True)
    np.testing.assert_array_equal(kept[1], fortran)
    assert kept[1].dtype == np.float32 and not kept[1].flags.writeable


def test_the_limit_can_be_raised_for_feature_files(tmp_path):
    write_object_array(tmp_path / "a.npy", [np.zeros((4, 8))])
    with pytest.raises(WstalError, match="MiB"):
        read_object_array(tmp_path / "a.npy", max_bytes=100)
    assert read_object_array(tmp_path / "a.npy", max_bytes=10_000, arrays=True)[0].shape == (4, 8)


def test_a_plain_array_shorter_than_its_header_is_refused(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(WstalError, match="length"):
        read_object_array(tmp_path / "a.npy")


def test_plain_arrays_are_read_as_numpy_reads_them(tmp_path):
    array = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_object_array(tmp_path / "a.npy"), array)


def test_names_written_by_python_2_numpy_are_known(tmp_path):
    write_object_array(tmp_path / "a.npy", [["x"]])
    path = tmp_path / "a.npy"
    old = path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core" in old
    path.write_bytes(old)
    assert read_object_array(path)[0] == ["x"]


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "command": lambda marker: [Call(os.system, f"touch {marker}")],
    "eval": lambda marker: [Call(eval, f"open({str(marker)!r}, 'w')")],
    "open": lambda marker: [Call(open, str(marker), "w")],
    "getattr": lambda marker: [Call(getattr, "x", "upper")],
    "numpy function": lambda marker: [Call(np.fromfile, str(marker))],
    "numpy load": lambda marker: [Call(np.load, str(marker))],
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_file_is_refused_without_running_it(tmp_path, attack):
    marker = tmp_path / "ran"
    path = tmp_path / "a.npy"
    write_object_array(path, [HOSTILE[attack](marker)])
    with pytest.raises(WstalError, match="refused"):
        read_object_array(path)
    assert not marker.exists()


def test_the_attack_would_have_run_under_plain_pickle(tmp_path):
    marker = tmp_path / "ran"
    write_object_array(tmp_path / "a.npy", [HOSTILE["command"](marker)])
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert marker.exists()


def test_steps_that_build_objects_are_refused_by_name(tmp_path):
    payload = b"(S'touch ran'\nios\nsystem\n."  # INST
    with pytest.raises(WstalError, match="INST"):
        read_object_array(write_pickle(tmp_path / "a.npy", payload))
    extension = b"\x80\x02\x82\x01."  # EXT1
    with pytest.raises(WstalError, match="EXT1"):
        read_object_array(write_pickle(tmp_path / "b.npy", extension))


def test_a_name_cannot_be_changed(tmp_path):
    payload = b"cnumpy.core.multiarray\n_reconstruct\n}S'make'\nNsb."  # BUILD on the stand-in
    with pytest.raises(WstalError, match="refused"):
        read_object_array(write_pickle(tmp_path / "a.npy", payload))


def test_a_distant_memo_index_is_refused_before_it_allocates(tmp_path):
    payload = b"\x80\x02]r" + struct.pack("<I", 0x7FFFFFFF) + b"."
    with pytest.raises(WstalError, match="out of order"):
        read_object_array(write_pickle(tmp_path / "a.npy", payload))


def test_an_array_that_names_more_than_it_holds_is_refused(tmp_path):
    buffer = io.BytesIO()
    pickle.dump(np.zeros(3), buffer, protocol=2)
    huge = buffer.getvalue().replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    assert huge != buffer.getvalue()
    with pytest.raises(WstalError, match="length"):
        read_object_array(write_pickle(tmp_path / "a.npy", huge, 2**31 - 1))


def test_lists_that_hold_themselves_end(tmp_path):
    values = []
    values.append(values)
    write_object_array(tmp_path / "a.npy", [values])
    with pytest.raises(WstalError, match="nested"):
        read_object_array(tmp_path / "a.npy")


def test_values_that_multiply_by_reference_end(tmp_path, monkeypatch):
    monkeypatch.setattr(restricted_pickle, "MAX_VALUES", 10_000)
    values = ["x"] * 10
    for _ in range(6):
        values = [values] * 10  # a million strings in a file of a few hundred bytes
    write_object_array(tmp_path / "a.npy", [values])
    with pytest.raises(WstalError, match="too many"):
        read_object_array(tmp_path / "a.npy")


def test_the_size_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(restricted_pickle, "MAX_BYTES", 100)
    write_object_array(tmp_path / "a.npy", [["x"]])
    with pytest.raises(WstalError, match="MiB"):
        read_object_array(tmp_path / "a.npy")


def test_damaged_and_absent_files_are_named(tmp_path):
    write_object_array(tmp_path / "a.npy", [["x"], ["y"]])
    whole = (tmp_path / "a.npy").read_bytes()
    for cut in (4, 60, len(whole) - 5):
        (tmp_path / "b.npy").write_bytes(whole[:cut])
        with pytest.raises(WstalError, match="b.npy"):
            read_object_array(tmp_path / "b.npy")
    with pytest.raises(WstalError, match="absent.npy"):
        read_object_array(tmp_path / "absent.npy")
    (tmp_path / "c.npy").write_bytes(os.urandom(300))
    with pytest.raises(WstalError, match="c.npy"):
        read_object_array(tmp_path / "c.npy")


def test_published_arrays_equal_what_numpy_reads(reference):
    folder = reference / "data/annotations/thumos14/Thumos14reduced-Annotations"
    for path in sorted(folder.glob("*.npy")):
        ours, theirs = read_object_array(path), np.load(path, allow_pickle=True)
        assert ours.shape == theirs.shape
        assert ours.tolist() == theirs.tolist()


class Hostile:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "u1", "?"])
def test_torch_file_of_numeric_arrays(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    torch.save({"data": array, "tensor": torch.ones(2), "path": "x"}, tmp_path / "a.pt")
    read = read_plain(tmp_path / "a.pt")
    assert read["data"].dtype == array.dtype and read["path"] == "x"
    np.testing.assert_array_equal(read["data"], array)


def test_torch_file_with_arrays_of_an_older_numpy(tmp_path):
    torch.save({"a": np.arange(3.0)}, tmp_path / "new.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "new.pt").read_bytes()
    old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != content
    (tmp_path / "old.pt").write_bytes(old)
    assert read_plain(tmp_path / "old.pt")["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [Hostile(), np.array([Hostile()], dtype=object)])
def test_torch_file_with_code_is_refused_without_running_it(tmp_path, capsys, content):
    torch.save({"a": content}, tmp_path / "hostile.pt")
    with pytest.raises(WstalError, match=r"hostile\.pt"):
        read_plain(tmp_path / "hostile.pt")
    assert "run" not in capsys.readouterr().out


class Settings:
    """Of a library that a reader may not have."""

    def __init__(self):
        self.values = {"streams": None, "nested": [Hostile()]}


def test_torch_file_with_arrays_beside_other_objects(tmp_path, capsys):
    """As the public reference features are stored: with the settings that made them."""
    torch.save({"args": Settings(), "data": np.arange(4.0)}, tmp_path / "a.pt")
    with pytest.raises(WstalError, match="Settings|print"):
        read_plain(tmp_path / "a.pt")
    read = read_plain(tmp_path / "a.pt", others_inert=True)
    assert read["data"].tolist() == [0, 1, 2, 3] and isinstance(read["args"], Inert)
    assert not vars(read["args"]) and "run" not in capsys.readouterr().out


def test_missing_and_damaged_torch_files_are_named(tmp_path):
    with pytest.raises(WstalError, match="is missing"):
        read_plain(tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes(b"nothing")
    with pytest.raises(WstalError, match=r"a\.pt"):
        read_plain(tmp_path / "a.pt")
