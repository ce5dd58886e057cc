"""What a result was made from: a JSON file beside it with digests, all the way to the features.

`map.csv` has `map.provenance.json`: its own digest, the code and the versions that made it, and
its inputs, each with its digest and, where it has such a file itself, that file's content.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import wstal
from wstal.base.errors import WstalError
from wstal.base.files import canonical_json, read_cached, write_json
from wstal.base.hdf5_files import open_hdf5
from wstal.base.user_files import file_sha256

SCHEMA = "wstal-provenance-1"
PACKAGES = ("numpy", "pandas", "torch", "h5py")
FEATURES = ("dataset", "recipe", "recipe_digest", "outline_sha256")  # attributes of features.h5


def sidecar(path: Path) -> Path:
    """Return where the provenance of a file is."""
    return path.with_name(f"{path.stem}.provenance.json")


def write_provenance(
    path: Path, code: str, inputs: Mapping[str, Iterable[Path | None]], **facts: Any
) -> None:
    """Write the provenance of the finished file `path`.

    `code` is the digest of the code that made it, `inputs` its input files by kind; those that are
    None are left out. `facts` must be plain.
    """
    about = {name: [_about(each) for each in files if each] for name, files in inputs.items()}
    content = {
        "schema": SCHEMA,
        "file": path.name,
        "sha256": file_sha256(path),
        "code": code,
        "versions": versions(),
        **facts,
        "inputs": {name: found for name, found in about.items() if found},
    }
    write_json(sidecar(path), content)


def read_provenance(path: Path) -> dict[str, Any]:
    """Return the provenance of a file; raise WstalError if there is none, or of another content."""
    content = read_cached(sidecar(path))
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise WstalError(f"{path} has no {sidecar(path).name} beside it; make the result again")
    if content["sha256"] != file_sha256(path):
        raise WstalError(f"{path} was changed after {sidecar(path).name} was written")
    return content


def settings_digest(settings: Any) -> str:
    """Return the SHA-256 of plain settings, such as a protocol's."""
    return hashlib.sha256(canonical_json(settings).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python, wstal and the packages that results depend on."""
    found = {"wstal": wstal.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _about(path: Path) -> dict[str, Any]:
    """Return path and digest of an input; of features, which may be very large, their outline's."""
    if path.name == "features.h5":
        with open_hdf5(path) as file:
            attrs = {name: str(file.attrs[name]) for name in FEATURES if name in file.attrs}
        return {"path": path.as_posix(), **attrs}
    about: dict[str, Any] = {"path": path.as_posix(), "sha256": file_sha256(path)}
    inner = read_cached(sidecar(path))
    if isinstance(inner, dict) and inner.get("sha256") == about["sha256"]:
        about["provenance"] = inner
    return about
