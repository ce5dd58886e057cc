"""The one door to HDF5 files that may come from others: they hold all that is read from them.

HDF5 has links, and arrays, whose content is in other files, and arrays that unpack to far more than
they store. Files made by wstal have neither.
"""

from __future__ import annotations

from pathlib import Path

import h5py

from wstal.base.errors import WstalError
from wstal.base.user_files import check_expansion, check_regular


def open_hdf5(path: str | Path, kind: str = "HDF5 file") -> h5py.File:
    """Open a file for reading; `kind` says in errors what it should be.

    Raises WstalError if it is not a readable HDF5 file, and for a soft or external link in it,
    which may lead to another file of this machine.
    """
    check_regular(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise WstalError(f"{path} is not a readable {kind}: {error}") from error
    try:
        check_links(file)
    except RuntimeError as error:
        file.close()
        raise WstalError(f"{path} is not readable: {error}; get it again") from error
    except BaseException:
        file.close()
        raise
    return file


def check_links(file: h5py.File) -> None:
    """Raise WstalError for a soft or external link in an open file; no link is followed.

    RuntimeError, of h5py, is raised for a damaged file.
    """
    name = file.id.links.visit(_find_link, info=True)
    if name is not None:
        raise WstalError(
            f"{file.filename} is refused: {name.decode('utf-8', 'replace')!r} in it is a link to "
            "something else; get a file that holds its arrays itself"
        )


def _find_link(name: bytes, info: h5py.h5l.LinkInfo) -> bytes | None:
    return None if info.type == h5py.h5l.TYPE_HARD else name


def checked_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return the dataset `name` of a group; raise WstalError if it does not hold its own values.

    That is one whose values are in other files (external storage, virtual datasets), or which
    unpacks to a multiple of what is stored; KeyError if there is no dataset of this name.
    """
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise KeyError(f"{name!r} is not a dataset")
    path = group.file.filename
    if dataset.external or dataset.is_virtual:
        raise WstalError(
            f"{path} is refused: the values of {dataset.name!r} are in other files; get a file "
            "that holds its arrays itself"
        )
    check_expansion(path, dataset.nbytes, dataset.id.get_storage_size())
    return dataset
