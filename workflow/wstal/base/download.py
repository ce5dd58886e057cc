"""Download of published files over HTTP: resumed after an interruption, checked before use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from wstal.base.errors import WstalError
from wstal.base.files import replace_durably

CHUNK = 1 << 16
TIMEOUT = 60.0  # seconds without an answer
Track = Callable[[Iterable[bytes], int, int], Iterable[bytes]]


class DownloadError(WstalError):
    """The network failed; what has arrived is kept."""


def download(url: str, path: str | Path, sha256: str = "", track: Track | None = None) -> str:
    """Download `url` to `path` unless the file exists; return its sha256.

    Raises WstalError if the network fails or the sha256 is not the given one (any, if empty).
    """
    digest = ""

    def check(file: Path) -> None:
        nonlocal digest
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if sha256 and digest != sha256:
            raise WstalError(
                f"{file} is not the published file: sha256 expected {sha256}, found {digest}. "
                "Remove it, or correct its address"
            )

    receive_file(url, path, check, track)
    return digest


def receive_file(
    url: str, path: str | Path, check: Callable[[Path], None], track: Track | None = None
) -> None:
    """Download `url` to `path` unless the file exists; in both cases, `check` it.

    What arrives is kept in `{path}.part`, from which an interrupted download resumes. It is renamed
    to `path` after `check(part)`, and removed if that raises WstalError. `track(pieces, done,
    total)` wraps the pieces for progress: bytes already received, bytes in all (0 if unknown).
    Raises DownloadError if the network fails.
    """
    path = Path(path)
    if path.exists():
        return check(path)
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _receive(url, part, track or (lambda pieces, done, total: pieces))
    except (HTTPException, URLError, OSError) as error:
        kept = f"; {part} keeps what has arrived, run it again to resume" if part.exists() else ""
        raise DownloadError(f"download of {url} failed ({error}){kept}") from error
    try:
        check(part)
    except WstalError:
        part.unlink()
        raise
    replace_durably(part, path)


def _receive(url: str, part: Path, track: Track) -> None:
    """Append the missing bytes of `url` to `part`; raise OSError or HTTPException on failure."""
    done = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if done and error.code == 416:  # nothing after these bytes: complete, or another file
            total = error.headers.get("Content-Range", "").rpartition("/")[2]
            if total in ("", "*", str(done)):
                return
            if total.isdigit() and int(total) < done:
                part.unlink()
                raise ConnectionError(f"{done} bytes had arrived of {total}, removed") from error
        raise
    with response:
        if response.headers.get_content_type() == "text/html":  # a login or quota page
            raise ConnectionError("a web page arrived in place of the file; open the address")
        if response.status != 206:  # a server without ranges sends everything again
            done = 0
        length = response.length or 0
        with part.open("ab" if done else "wb") as file:
            for piece in track(iter(lambda: response.read(CHUNK), b""), done, done + length):
                file.write(piece)
        if length and part.stat().st_size < done + length:
            raise ConnectionError(f"{part.stat().st_size} of {done + length} bytes arrived")


def size_of(url: str) -> int:
    """Return the bytes of `url`, 0 if the server does not say; WstalError if it does not answer."""
    try:
        with urlopen(Request(url, method="HEAD"), timeout=TIMEOUT) as response:
            return int(response.headers.get("Content-Length") or 0)
    except (HTTPException, URLError, OSError, ValueError) as error:
        raise WstalError(f"{url} does not answer ({error})") from error
