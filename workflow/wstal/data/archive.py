"""Videos taken out of published zip archives: only those wanted, nothing outside the folder."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from wstal.atomic import atomic_path, remove_left_over
from wstal.data.folder import VIDEO_SUFFIXES
from wstal.errors import WstalError
from wstal.worker_pool import worker_pool

CHUNK = 1 << 20


def wanted_members(archive: Path, ids: Collection[str]) -> dict[str, zipfile.ZipInfo]:
    """The archive's video files that are named after one of `ids`, by id.

    Raises WstalError for a file that is no zip archive, names one video twice, or has a member
    that points outside the folder it is unpacked to or is a link.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise WstalError(
            f"{archive} is not a zip archive ({error}); remove it to fetch it again"
        ) from error
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or link:
            raise WstalError(
                f"{archive} is refused: its member {member.filename!r} points outside the folder "
                "it is unpacked to. Remove it and fetch it again from its publisher"
            )
        if path.suffix.lower() in VIDEO_SUFFIXES and path.stem in ids:
            if path.stem in found:
                raise WstalError(f"{archive} holds {path.stem} twice")
            found[path.stem] = member
    return found


def unpack(
    archive: Path,
    folder: Path,
    ids: Collection[str],
    *,
    password: str | None = None,
    jobs: int = 1,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[dict[str, Any]]:
    """Write the wanted videos of `archive` to `folder`, checked against the archive's CRC.

    A video that is there in full is kept. Decryption takes a second per megabyte and process, so
    `jobs` videos are written at a time. Returns rows of id, file, bytes and archive. Raises
    WstalError if the archive is damaged, the password is absent or wrong, or the disk too small.
    """
    members = wanted_members(archive, ids)
    folder.mkdir(parents=True, exist_ok=True)
    remove_left_over(folder)
    targets = {name: folder / f"{name}{_suffix(member)}" for name, member in members.items()}
    absent = [name for name, path in targets.items() if not _whole(path, members[name])]
    need, free = sum(members[name].file_size for name in absent), shutil.disk_usage(folder).free
    if need > free:
        raise WstalError(f"{folder}: {need:,} bytes to unpack, {free:,} free on this disk")
    work = [(archive, members[name].filename, targets[name], password) for name in absent]
    if jobs > 1 and len(work) > 1:
        with worker_pool(jobs) as pool:
            for future in track([pool.submit(_write, *each) for each in work]):
                future.result()
    else:
        for each in track(work):
            _write(*each)
    return [
        {"id": name, "file": path.name, "bytes": path.stat().st_size, "archive": archive.name}
        for name, path in targets.items()
    ]


def _suffix(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).suffix.lower()


def _whole(path: Path, member: zipfile.ZipInfo) -> bool:
    """Whether `path` was written by an earlier run: only whole, checked files get their name."""
    return path.is_file() and path.stat().st_size == member.file_size


def _write(archive: Path, member: str, target: Path, password: str | None) -> None:
    secret = password.encode() if password else None
    try:
        with (
            zipfile.ZipFile(archive) as file,
            file.open(member, pwd=secret) as source,
            atomic_path(target) as temporary,
            temporary.open("wb") as output,
        ):
            shutil.copyfileobj(source, output, CHUNK)
    except (RuntimeError, NotImplementedError) as error:  # zipfile's words on passwords
        raise WstalError(
            f"{archive}: {error}; its publisher gives the password on registration"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise WstalError(
            f"{archive}, {member} is damaged ({error}), or the password is wrong; remove the "
            "archive to fetch it again"
        ) from error
