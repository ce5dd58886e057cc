"""What a file holds, as a short text: read once, then kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wstal.base.files import read_cached, write_cached

SETTLED = 2.0  # seconds; of a younger file another content may have the same size and date
BLOCK = 1 << 16  # bytes of each sample of a file


class Digests:
    """Digests of files, kept in the JSON `kept` under their path, size, date and number.

    So a large file is read once, not by each command.
    """

    def __init__(self, kept: Path | None, digest: Callable[[Path], str]) -> None:
        self._kept, self._digest = kept, digest
        self._known: dict[str, list[Any]] | None = None
        self._new = False

    def __call__(self, path: str | Path) -> str:
        """Return the digest of a file; raises OSError."""
        if self._known is None:
            found = read_cached(self._kept)
            self._known = found if isinstance(found, dict) else {}
        stat = Path(path).stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = self._known.get(str(path))
        if known and known[:-1] == stamp:
            return known[-1]
        value = self._digest(Path(path))
        if time.time() - stat.st_mtime > SETTLED:
            self._known[str(path)] = [*stamp, value]
            self._new = True
        return value

    def save(self) -> None:
        """Write what is new, if the folder can be written to."""
        if self._new and self._kept is not None:
            write_cached(self._kept, self._known)
            self._new = False


def whole(path: Path) -> str:
    """Return the SHA-256 of a file, as Snakemake writes it."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def sample(path: Path) -> str:
    """Return a digest of a file's size and of its beginning, middle and end.

    A folder of videos is too large to be read whole before each run. A video that is encoded again
    or replaced differs in these places; a file of up to three blocks is read whole.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}".encode())
    with path.open("rb") as file:
        for at in sorted({0, max(0, (size - BLOCK) // 2), max(0, size - BLOCK)}):
            file.seek(at)
            digest.update(file.read(BLOCK))
    return digest.hexdigest()[:16]
