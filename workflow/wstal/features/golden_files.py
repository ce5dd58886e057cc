"""Published files that weights are verified with: found in a folder or fetched, known by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from wstal.download import Track, download
from wstal.errors import WstalError
from wstal.nets.plain_file import read_plain
from wstal.nets.weight_files import WeightFile, sha256_of, verify

PACKED = "video_features_refs.npz"


class Absent(WstalError):
    """Something that a check needs is not there; the message says how to get it."""


class GoldenFiles:
    """Files and arrays by their names in `golden.yaml`.

    With `folder` they are looked for there, at any depth, and nothing is fetched; else they are
    downloaded to `cache`.
    """

    def __init__(
        self,
        golden: Mapping[str, Any],
        cache: str | Path,
        folder: str | Path | None = None,
        track: Track | None = None,
    ) -> None:
        self.golden, self.cache, self.track = golden, Path(cache), track
        self.folder = Path(folder) if folder else None
        if self.folder and not self.folder.is_dir():
            raise WstalError(f"there is no folder {folder} with golden files")

    def file(self, name: str) -> Path:
        """A file of the section `files`. Raises Absent, and WstalError for another file."""
        entry = self.golden["files"][name]
        if not self.folder:
            return self._fetched(entry, entry["sha256"])
        path = self._found(entry["file"])
        if path is None:
            raise Absent(f"no {entry['file']} in {self.folder}; it is {entry['url']}")
        if (found := sha256_of(path)) != entry["sha256"]:
            raise WstalError(f"{path}: sha256 {found}, expected {entry['sha256']}; fetch it again")
        return path

    def array(self, name: str) -> np.ndarray:
        """An array of the section `arrays`; raises as `file`."""
        entry = self.golden["arrays"][name]
        path, values = self._read(entry)
        found = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        if found != entry["sha256"]:
            raise WstalError(
                f"{path}: the numbers of {name} have sha256 {found}, expected {entry['sha256']}; "
                "remove the file and fetch it again"
            )
        return values

    def _read(self, entry: Mapping[str, str]) -> tuple[Path, np.ndarray]:
        path = self._found(entry["file"]) if self.folder else self._fetched(entry)
        if path is not None:
            return path, _data(path)
        packed = self._found(PACKED)
        if packed is None:
            raise Absent(f"neither {entry['file']} nor {PACKED} in {self.folder}; {entry['url']}")
        try:
            with np.load(packed, allow_pickle=False) as arrays:
                return packed, arrays[entry["packed"]]
        except (KeyError, TypeError, ValueError, OSError, BadZipFile) as error:
            raise WstalError(f"{packed} has no array {entry['packed']}: {error}") from error

    def _found(self, name: str) -> Path | None:
        return next(iter(sorted(self.folder.rglob(name))), None)

    def _fetched(self, entry: Mapping[str, str], sha256: str = "") -> Path:
        path = self.cache / entry["file"]
        try:
            download(entry["url"], path, sha256, self.track)
        except WstalError as error:
            raise Absent(f"{error}; or give a folder that holds {entry['file']}") from error
        return path


def _data(path: Path) -> np.ndarray:
    """The numbers under `data` in a torch file; raises WstalError if there are none."""
    content = read_plain(path, others_inert=True)
    if not isinstance(content, Mapping) or not isinstance(
        content.get("data"), np.ndarray | torch.Tensor
    ):
        raise WstalError(f"{path} has no array `data`; remove the file and fetch it again")
    return np.asarray(content["data"])


def weights_in(folder: str | Path, sources: Mapping[str, WeightFile], name: str) -> Path:
    """The weights `name` in a folder, their identity checked.

    Raises Absent, saying what to fetch, and WstalError for another file.
    """
    path = Path(folder) / sources[name].file
    if not path.exists():
        raise Absent(f"no {path}; python scripts/fetch_weights.py {name}")
    verify(path, sources[name])
    return path
