"""A published file received over HTTP, resumed where it broke off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from wstal.base.errors import WstalError

CHUNK = 1 << 16
TIMEOUT = 60.0  # seconds without an answer
Track = Callable[[Iterable[bytes], int, int], Iterable[bytes]]


def download(url: str, path: str | Path, sha256: str = "", track: Track | None = None) -> str:
    """Fetch `url` to `path` unless it is there; return its sha256.

    What arrives is kept in `{path}.part`, from which an interrupted download goes on. With
    `sha256` another file is refused and removed. `track(pieces, done, total)` wraps the pieces
    for progress: bytes already there, bytes in all (0 if unknown). Raises WstalError if the
    network fails or the file is another one.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        try:
            receive(url, part, track or (lambda pieces, done, total: pieces))
        except (HTTPException, URLError, OSError) as error:
            kept = f"; what has arrived is kept in {part}" if part.exists() else ""
            raise WstalError(f"download of {url} failed ({error}){kept}") from error
    there = path if path.exists() else part
    with there.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 and found != sha256:
        if there is part:
            part.unlink()
        raise WstalError(
            f"{there} is not the published file: sha256 expected {sha256}, found {found}. "
            "Remove it, or correct the address it comes from"
        )
    if there is part:
        part.replace(path)
    return found


def size_of(url: str) -> int:
    """Bytes that `url` has, 0 if the server does not say; raises WstalError if it is not there."""
    try:
        with urlopen(Request(url, method="HEAD"), timeout=TIMEOUT) as response:
            return int(response.headers.get("Content-Length") or 0)
    except (HTTPException, URLError, OSError, ValueError) as error:
        raise WstalError(f"{url} does not answer ({error})") from error


def receive(url: str, part: Path, track: Track) -> None:
    """Append to `part` what is missing of `url`; raises OSError or HTTPException on failure."""
    done = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if done and error.code == 416:  # nothing beyond what is there: complete, or another file
            total = error.headers.get("Content-Range", "").rpartition("/")[2]
            if total in ("", "*", str(done)):
                return
            if total.isdigit() and int(total) < done:
                part.unlink()
                raise ConnectionError(f"{done} bytes had arrived of {total}, removed") from error
        raise
    with response:
        if response.headers.get_content_type() == "text/html":  # a network's login, a quota's page
            raise ConnectionError("a web page came in place of the file; open the address to see")
        if response.status != 206:  # a server that knows no ranges sends everything again
            done = 0
        length = response.length or 0
        with part.open("ab" if done else "wb") as file:
            for piece in track(iter(lambda: response.read(CHUNK), b""), done, done + length):
                file.write(piece)
        if length and part.stat().st_size < done + length:
            raise ConnectionError(f"{part.stat().st_size} of {done + length} bytes arrived")
