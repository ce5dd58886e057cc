"""Files that users name are opened only if they are regular files: nothing waits, nothing runs."""

from __future__ import annotations

import gzip
import hashlib
import os
import zipfile

import numpy as np
import pytest
from wstal.base.errors import MediaError, WstalError
from wstal.base.memory import MAX_MEMORY
from wstal.base.restricted_pickle import read_object_array
from wstal.base.text_files import read_json, read_rows, read_text
from wstal.base.torch_files import read_plain
from wstal.base.user_files import check_regular, file_sha256, open_regular
from wstal.datasets.fetching import find_members
from wstal.datasets.folder import read_own_labels
from wstal.datasets.published_sets import read_texts
from wstal.features.importers.layouts import _load_archive
from wstal.features.importers.published import load_array
from wstal.networks.weights import identify, read_state
from wstal.train import checkpoint

READERS = {
    "text": read_text,
    "json": read_json,
    "rows": lambda path: list(read_rows(path, ("video",))),
    "labels.csv": read_own_labels,
    "labels.json": read_own_labels,
    "pickle": read_object_array,
    "torch": read_plain,
    "checkpoint": checkpoint.load,
    "weights.pt": read_state,
    "weights.safetensors": read_state,
    "identity.pt": lambda path: identify(path, {}),
    "array.npy": load_array,
    "arrays.npz": _load_archive,
    "videos.zip": lambda path: find_members(path, ()),
    "texts.zip": lambda path: list(read_texts([path])),
    "digest": file_sha256,
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_waits_for_a_pipe(name, tmp_path):
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(WstalError, match=f"{name} is a named pipe, not a regular file"):
        READERS[name](path)


@pytest.mark.parametrize(
    ("target", "kind"), [("/dev/null", "a device"), ("/tmp", "a folder"), ("/", "a folder")]
)
def test_links_lead_to_regular_files_only(target, kind, tmp_path):
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(MediaError, match=f"link is {kind}, not a regular file"):
        check_regular(tmp_path / "link", MediaError)


def test_a_regular_file_and_a_link_to_it_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").symlink_to("a")
    with open_regular(tmp_path / "b") as file:
        assert file.read() == b"content"
    assert file_sha256(tmp_path / "b") == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "absent")


def zeros_zip(path, name: str, size: int = 80 << 20) -> None:
    """An archive of zeros: a thousandth of what it unpacks to."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w") as member,
    ):
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))


@pytest.mark.parametrize(
    ("name", "read", "member"),
    [
        ("arrays.npz", _load_archive, "feature.npy"),
        ("videos.zip", lambda path: find_members(path, {"clip"}), "clip.mp4"),
        ("weights.pt", read_plain, "archive/data.pkl"),
        ("checkpoint.pt", checkpoint.load, "archive/data.pkl"),
    ],
)
def test_archives_that_unpack_to_a_multiple_are_refused(name, read, member, tmp_path):
    zeros_zip(tmp_path / name, member)
    with pytest.raises(WstalError, match="unpack to 83,886,080, over 100 times as many"):
        read(tmp_path / name)


def test_compressed_json_is_unpacked_no_further_than_its_size_allows(tmp_path):
    with gzip.open(tmp_path / "a.json", "wb", compresslevel=1) as file:
        for _ in range(80):
            file.write(b" " * (1 << 20))
    with pytest.raises(WstalError, match="over 100 times as many"):
        read_json(tmp_path / "a.json")
    with gzip.open(tmp_path / "b.json", "wt") as file:
        file.write("[1]" + " " * 100_000)
    assert read_json(tmp_path / "b.json") == [1]


def test_a_sparse_array_larger_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(MAX_MEMORY, str(1 << 30))
    np.save(tmp_path / "a.npy", np.zeros(4))
    os.truncate(tmp_path / "a.npy", (1 << 30) + 1)
    with pytest.raises(MediaError, match="a.npy has 1,073,741,825 bytes, more than max_memory"):
        load_array(tmp_path / "a.npy")
