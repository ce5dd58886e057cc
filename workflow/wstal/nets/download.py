"""Download of a published file: resumed where it broke off, kept only if it is the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

from wstal.download import receive
from wstal.errors import WstalError
from wstal.nets.weight_files import WeightFile, absence, verify


def fetch(
    weights: WeightFile,
    path: str | Path,
    track: Callable[[Iterable[bytes], int, int], Iterable[bytes]] | None = None,
) -> Path:
    """Download `weights` to `path` unless the right file is there already.

    What arrives is kept in `{path}.part`, from which an interrupted download goes on. The file
    takes its name once its identity is checked; a mismatch removes it. `track(pieces, done,
    total)` wraps the pieces for progress: bytes already there, bytes in all (0 if unknown).
    Raises WstalError if the network fails, saying what to place where by hand, and if the file
    is not the published one.
    """
    path = Path(path)
    if path.exists():
        verify(path, weights)
        return path
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        receive(weights.url, part, track or (lambda pieces, done, total: pieces))
    except (HTTPException, URLError, OSError) as error:
        raise WstalError(
            f"download of {weights.url} failed ({error}); what has arrived is kept in {part}, "
            f"run it again to go on. {absence(weights, path)}"
        ) from error
    try:
        verify(part, weights)
    except WstalError:
        part.unlink()
        raise
    return part.replace(path)
