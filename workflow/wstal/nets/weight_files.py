"""Which weights exist, where they come from and how to know them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wstal.errors import WstalError

_CHUNK = 1 << 20
_SHORTEST = 8  # hex digits that count as an identity


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Its identity is `sha256` (the first 8 digits or more) or `git_blob`, the id under which git
    stores it; it is `unhashed` where the publisher gives none. It is published at `url`, or
    `shipped` with the project.
    """

    name: str
    file: str
    network: str
    sha256: str = ""
    git_blob: str = ""
    url: str = ""
    shipped: bool = False
    unhashed: bool = False

    def __post_init__(self) -> None:
        known = [text for text in (self.sha256, self.git_blob) if text]
        if len(known) != 1 - self.unhashed or any(len(text) < _SHORTEST for text in known):
            raise WstalError(
                f"weights {self.name}: give sha256 or git_blob, 8 digits or more; or, if none is "
                "published, unhashed: true"
            )
        if self.shipped == bool(self.url):
            raise WstalError(f"weights {self.name}: give a url, or say shipped: true")


def read_sources(path: str | Path) -> dict[str, WeightFile]:
    """Weight files by name from a `sources.yaml`."""
    table = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    try:
        return {name: WeightFile(name=name, **entry) for name, entry in table.items()}
    except TypeError as error:
        raise WstalError(f"{path} has an unknown or missing entry: {error}") from error


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
    """Raise WstalError, naming what was expected and found, if `path` is another file.

    Of an unhashed one nothing can be said: its layout is checked when it is loaded.
    """
    if weights.unhashed:
        return
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


def identify(path: str | Path, sources: Mapping[str, WeightFile]) -> str:
    """The sha256 of the weights at `path`, for keys and provenance.

    A file named as one of `sources` must be the published one; others are a user's own. Raises
    WstalError for an absent file, saying what to fetch and where to put it, and for a mismatch.
    """
    path = Path(path)
    known = next((w for w in sources.values() if w.file == path.name), None)
    if not path.exists():
        raise WstalError(absence(known, path) if known else f"there are no weights at {path}")
    if known:
        verify(path, known)
    return sha256_of(path)


def absence(weights: WeightFile, path: Path) -> str:
    """What to do about weights that are not there."""
    if weights.shipped:
        return f"{path} is missing; it ships with the project, restore it from version control"
    known = "" if weights.unhashed else " ({} {})".format(*_identity(weights)[:2])
    return (
        f"the weights of {weights.network} are missing: run python scripts/fetch_weights.py "
        f"{weights.name}, or download {weights.url}{known} to {path}. To try the "
        "pipeline without them, ask for weights: untrained in the feature recipe"
    )
