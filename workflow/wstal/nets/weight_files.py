"""Which weights exist, where they come from and how to know them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wstal.errors import WstalError

_CHUNK = 1 << 20
_SHORTEST = 8  # hex digits that count as an identity


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Its identity is `sha256` (the first 8 digits or more) or `git_blob`, the id under which git
    stores it. `url` is where it is published; a file that ships with the project has none.
    """

    name: str
    file: str
    network: str
    sha256: str = ""
    git_blob: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        known = [text for text in (self.sha256, self.git_blob) if text]
        if len(known) != 1 or len(known[0]) < _SHORTEST:
            raise WstalError(f"weights {self.name}: give sha256 or git_blob, 8 digits or more")


def read_sources(table: Mapping[str, Mapping[str, Any]]) -> dict[str, WeightFile]:
    """Weight files by name from a parsed `sources.yaml`."""
    try:
        return {name: WeightFile(name=name, **entry) for name, entry in table.items()}
    except TypeError as error:
        raise WstalError(
            f"the table of weights has an unknown or missing entry: {error}"
        ) from error


def sha256_of(path: str | Path) -> str:
    """Hex sha256 of a file, read in pieces."""
    return _digest(path, hashlib.sha256())


def git_blob_of(path: str | Path) -> str:
    """The id under which git stores a file: sha1 of `blob <size>\\0` and the content."""
    size = Path(path).stat().st_size
    return _digest(path, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False))


def _digest(path: str | Path, digest: Any) -> str:
    with Path(path).open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def verify(path: str | Path, weights: WeightFile) -> None:
    """Raise WstalError, naming what was expected and found, if `path` is another file."""
    kind, expected, measure = _identity(weights)
    found = measure(path)
    if not found.startswith(expected.lower()):
        raise WstalError(
            f"{path} is not the published file of {weights.name}: {kind} expected {expected}, "
            f"found {found}. Remove it and run python scripts/fetch_weights.py {weights.name}"
        )


def _identity(weights: WeightFile) -> tuple[str, str, Callable[[str | Path], str]]:
    if weights.git_blob:
        return "git blob id", weights.git_blob, git_blob_of
    return "sha256", weights.sha256, sha256_of


def locate(
    name: str, sources: Mapping[str, WeightFile], *, shipped: str | Path, fetched: str | Path
) -> Path:
    """The verified file of weights `name`.

    Files without a URL lie in the folder `shipped`, the others in `fetched`. Raises WstalError
    for an unknown name, for an absent file (saying what to fetch and where to put it), and for
    a file that is not the published one.
    """
    if name not in sources:
        raise WstalError(f"weights {name!r} are not one of {', '.join(sorted(sources))}, untrained")
    weights = sources[name]
    path = Path(fetched if weights.url else shipped) / weights.file
    if not path.exists():
        raise WstalError(absence(weights, path))
    verify(path, weights)
    return path


def absence(weights: WeightFile, path: Path) -> str:
    """What to do about weights that are not there."""
    if not weights.url:
        return f"{path} is missing; it ships with the project, restore it from version control"
    kind, expected, _ = _identity(weights)
    return (
        f"the weights of {weights.network} are missing: run python scripts/fetch_weights.py "
        f"{weights.name}, or download {weights.url} ({kind} {expected}) to {path}. To try the "
        "pipeline without them, ask for weights: untrained in the feature recipe"
    )
