"""HDF5 of others is read only if it holds all that is read from it, at a size to be expected."""

from __future__ import annotations

import re

import h5py
import numpy as np
import pytest
from wstal.base.errors import WstalError
from wstal.base.hdf5_files import checked_dataset, open_hdf5
from wstal.datasets.ave import _read_array
from wstal.features.importers.layouts import _check_rows
from wstal.features.pack import FeatureFile
from wstal.localize.given_scores import read_given_scores
from wstal.localize.scores import ScoreHistory, read_scores


def external(file, secret):
    file["group/array"] = h5py.ExternalLink(str(secret), "array")


def soft(file, secret):
    file["group/array"] = h5py.SoftLink("/other")


OWN = {  # modules that open HDF5 besides the door: files that wstal itself has just made
    "base/array_store.py",
    "commands/verify_results.py",  # attributes, then by the readers of results
    "features/pack.py",
    "localize/scores.py",
}


def test_files_of_others_are_opened_by_the_door_alone(project):
    package = project / "workflow/wstal"
    found = set()
    for path in package.rglob("*.py"):
        opened = re.findall(r"h5py\.File\(([^\n]*)", path.read_text())
        if [call for call in opened if not re.search(r'"(w|a|r\+)"', call)]:
            found.add(path.relative_to(package).as_posix())
    own = {name for name in found if not name.startswith("demo/")}
    assert own == OWN | {"base/hdf5_files.py"}


READERS = {
    "given": lambda path: read_given_scores(path, ["x"]),
    "door": open_hdf5,
    "order": lambda path: _read_array(path, "group/array"),
    "rows": lambda path: _check_rows(path, 1),
    "features": FeatureFile,
    "scores": read_scores,
    "history": ScoreHistory,
}


@pytest.mark.parametrize("link", [external, soft])
@pytest.mark.parametrize("reader", READERS)
def test_links_in_files_are_refused(reader, link, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["array"] = np.arange(4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["other"] = np.zeros(3)
        link(file, tmp_path / "secret.h5")
    with pytest.raises(WstalError, match=r"a\.h5 is refused: 'group/array' in it is a link"):
        READERS[reader](tmp_path / "a.h5")


def test_hard_links_and_cycles_are_no_links_to_something_else(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/array"] = np.zeros(3)
        file["again"] = file["group/array"]
        file["group/root"] = file["/"]
    with open_hdf5(tmp_path / "a.h5") as file:
        assert checked_dataset(file["group"], "array").shape == (3,)


def test_values_in_other_files_and_bombs_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(64))
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "array", (4,))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        where = [(str(tmp_path / "secret"), 0, 64)]
        file.create_dataset("outside", (8,), "f8", external=where)
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("empty", (1 << 20, 1024), "f4", chunks=(1024, 1024))
        zeros = np.zeros((20_000, 1024), np.float32)
        file.create_dataset("zeros", data=zeros, compression="gzip", chunks=(256, 1024))
        file.create_dataset("numbers", data=np.arange(1000.0), compression="gzip")
        file.create_group("group")
    with open_hdf5(tmp_path / "a.h5") as file:
        for name in ("outside", "virtual"):
            with pytest.raises(WstalError, match=f"values of '/{name}' are in other files"):
                checked_dataset(file, name)
        for name in ("empty", "zeros"):
            with pytest.raises(WstalError, match="unpack to .* over 100 times as many"):
                checked_dataset(file, name)
        with pytest.raises(KeyError):
            checked_dataset(file, "group")
        assert checked_dataset(file, "numbers")[5] == 5


def test_what_is_no_hdf5_is_said(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"nothing")
    with pytest.raises(WstalError, match="a.h5 is not a readable feature file"):
        open_hdf5(tmp_path / "a.h5", "feature file")
