"""Files that users name are opened only if they are regular files: nothing waits, nothing runs."""

from __future__ import annotations

import hashlib
import os

import pytest
from wstal.base.errors import MediaError, WstalError
from wstal.base.restricted_pickle import read_object_array, read_plain
from wstal.base.text_files import read_json, read_rows, read_text
from wstal.base.user_files import check_regular, file_sha256, open_regular
from wstal.datasets.fetching import find_members
from wstal.datasets.folder import read_own_labels
from wstal.datasets.published_sets import read_texts
from wstal.features.importers.layouts import _load_archive
from wstal.features.importers.published import load_array
from wstal.networks.weights import identify, read_state

READERS = {
    "text": read_text,
    "json": read_json,
    "rows": lambda path: list(read_rows(path, ("video",))),
    "labels.csv": read_own_labels,
    "labels.json": read_own_labels,
    "pickle": read_object_array,
    "torch": read_plain,
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
