"""The one door to files that users name: only regular files, and links to them, are opened.

A named pipe makes a program that opens it wait for ever, a device may never end, and opening
either can have effects. So the kind of a file is looked at before it is opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from pathlib import Path
from typing import BinaryIO

from wstal.base.errors import WstalError

SMALL = 64 << 20  # bytes; what unpacks to less is no bomb
MOST_EXPANSION = 100  # unpacked bytes over stored ones

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_regular(path: str | Path, error: type[WstalError] = WstalError) -> Path:
    """Return `path` if it is a regular file or a link to one; nothing is opened.

    Raises `error` that names the file and what it is instead, OSError if nothing is there.
    """
    _check_mode(Path(path).stat().st_mode, path, error)
    return Path(path)


def open_regular(path: str | Path, error: type[WstalError] = WstalError) -> BinaryIO:
    """Open a regular file for reading bytes; errors as of `check_regular`.

    A pipe that takes the file's place in the meantime is refused, too, and does not block.
    """
    check_regular(path, error)
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_mode(os.fstat(number).st_mode, path, error)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def file_sha256(path: str | Path, error: type[WstalError] = WstalError) -> str:
    """Return the hex SHA-256 of a regular file's bytes; errors as of `check_regular`."""
    with open_regular(path, error) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_expansion(
    path: str | Path, unpacked: int, stored: int, error: type[WstalError] = WstalError
) -> None:
    """Raise `error` if `stored` bytes of a file unpack to so many that it must be a bomb.

    Features compress to a half, texts to a tenth; only repeated bytes compress to a hundredth.
    """
    if unpacked > SMALL and unpacked > MOST_EXPANSION * stored:
        raise error(
            f"{path} is refused: {stored:,} bytes in it unpack to {unpacked:,}, over "
            f"{MOST_EXPANSION} times as many; get it again from its publisher"
        )


def check_archive(path: str | Path, error: type[WstalError] = WstalError) -> int:
    """Return the bytes that a zip archive unpacks to; errors as of `check_expansion`.

    Raises zipfile.BadZipFile for a file that is no zip archive.
    """
    with zipfile.ZipFile(check_regular(path, error)) as archive:
        members = archive.infolist()
    for member in members:
        check_expansion(path, member.file_size, member.compress_size, error)
    unpacked = sum(member.file_size for member in members)
    check_expansion(path, unpacked, Path(path).stat().st_size, error)
    return unpacked


def _check_mode(mode: int, path: str | Path, error: type[WstalError]) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
        raise error(f"{path} is {kind}, not a regular file; name a file that holds the data")
