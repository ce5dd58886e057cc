"""How many bytes a video file has by its own header: a file cut short in a download has fewer.

FFmpeg shortens what an AVI or WMV file announces to what is there, so the headers are read here.
Transport and program streams, Ogg and raw streams announce nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

HEAD = 1 << 16  # bytes in which ASF describes the file
SLACK = 16  # bytes; some writers count a header twice
UNKNOWN_32 = 0xFFFFFFFF
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # its File Properties object
EBML, SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
BOXES = {  # of ISO media files, at the top; after another one nothing is known
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"mfra", b"sidx"),
    *(b"styp", b"udta", b"meta", b"pdin", b"emsg", b"prft", b"ssix", b"pnot"),
}


def announced_bytes(path: str | Path) -> int | None:
    """Return how many bytes the file has by its header, None if that says nothing."""
    with Path(path).open("rb") as file:
        start = file.read(16)
        file.seek(0)
        for is_kind, read in _KINDS:
            if is_kind(start):
                return read(file)
    return None


def missing_bytes(path: str | Path) -> str:
    """Return a text that counts the bytes if the file has fewer than it announces, else ""."""
    announced, found = announced_bytes(path), Path(path).stat().st_size
    if announced is None or announced - found <= SLACK:
        return ""
    return f"cut short: {found:,} of {announced:,} announced bytes are there"


def _read_avi(file: BinaryIO) -> int | None:
    """One RIFF of at most 1 or 2 GB after the other, as OpenDML has it."""
    end, size = 0, file.seek(0, os.SEEK_END)
    while end < size:
        file.seek(end)
        head = file.read(12)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or length in (0, UNKNOWN_32):
            break
        end += 8 + length + length % 2
    return end or None


def _read_asf(file: BinaryIO) -> int | None:
    head = file.read(HEAD)
    at = head.find(ASF_FILE)
    about = head[at + 24 : at + 24 + 68]  # after the object's name and size
    if at < 0 or len(about) < 68 or about[64] & 1:  # a broadcast: its numbers are invalid
        return None
    return int.from_bytes(about[16:24], "little") or None


def _read_matroska(file: BinaryIO) -> int | None:
    file.seek(4)
    length = _ebml_size(file)
    if length is None:
        return None
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != SEGMENT or (length := _ebml_size(file)) is None:
        return None
    return file.tell() + length


def _ebml_size(file: BinaryIO) -> int | None:
    """The size of an EBML element; None if it is unknown, as in a live stream."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    value = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value


def _read_iso(file: BinaryIO) -> int | None:
    end, size = 0, file.seek(0, os.SEEK_END)
    while end + 8 <= size:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if head[4:8] not in BOXES or length < 8:  # 0: up to the end, wherever it is
            break
        end += length
    return end or None


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], int | None]], ...] = (
    (lambda start: start[:4] == b"RIFF" and start[8:12] == b"AVI ", _read_avi),
    (lambda start: start == ASF, _read_asf),
    (lambda start: start[:4] == EBML, _read_matroska),
    (lambda start: start[4:8] in BOXES, _read_iso),
)
