"""Published files fetched from the addresses in workflow/reference/datasets."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Any

from wstal.data.archive import unpack
from wstal.download import Track, download, size_of
from wstal.errors import WstalError

PAUSE = 2.0  # seconds before the second attempt, doubled before each further one


def fetch_files(
    files: Iterable[Mapping[str, str]],
    folder: Path,
    *,
    attempts: int = 3,
    pause: float = PAUSE,
    track: Track | None = None,
) -> list[dict[str, Any]]:
    """Download each of `files` (file, url, perhaps sha256) to `folder`.

    Returns rows of file, url, bytes and sha256 (what was found, where none is known). Files
    that are there already are checked and kept. Raises WstalError after the last attempt.
    """
    rows = []
    for entry in files:
        path = folder / entry["file"]
        digest = _persistent(entry, path, attempts, pause, track)
        size = path.stat().st_size
        rows.append({"file": entry["file"], "url": entry["url"], "bytes": size, "sha256": digest})
    if not rows:
        raise WstalError("addresses of its files are not known")
    return rows


def _persistent(
    entry: Mapping[str, str], path: Path, attempts: int, pause: float, track: Track | None
) -> str:
    for attempt in range(1, attempts + 1):
        try:
            return download(entry["url"], path, entry.get("sha256", ""), track)
        except WstalError:
            if attempt == attempts:
                raise
            time.sleep(pause * 2 ** (attempt - 1))
    raise ValueError(f"attempts is {attempts}, it must be at least 1")


def fetch_videos(
    archives: Iterable[Mapping[str, str]],
    folder: Path,
    ids: Collection[str],
    *,
    passwords: Mapping[str, str],
    attempts: int = 3,
    pause: float = PAUSE,
    jobs: int = 1,
    tell: Callable[[str], None] = lambda text: None,
    track: Callable[[Iterable], Iterable] = iter,
    track_bytes: Track | None = None,
) -> list[dict[str, Any]]:
    """Download `archives` (file, url, perhaps sha256, password) and unpack the videos of `ids`.

    The archives stay in `folder`/archives, as whole or partial files that a later run goes on
    from. `password` names the key of `passwords` to use. `tell` hears how much disk is needed
    before anything is fetched. Returns a row per video: id, file, bytes, archive. Raises
    WstalError if the network fails, the disk is too small, or an archive is refused or needs a
    password.
    """
    archives, stored = list(archives), folder / "archives"
    for entry in archives:
        key = entry.get("password")
        if key and not passwords.get(key):
            raise WstalError(
                f"{entry['file']} has a password: register with its publisher, then set the "
                f"environment variable {key}"
            )
    tell(_disk_need(archives, stored))
    rows = []
    for entry in archives:
        path = stored / entry["file"]
        _persistent(entry, path, attempts, pause, track_bytes)
        password = passwords.get(entry.get("password", ""))
        rows += unpack(path, folder, ids, password=password, jobs=jobs, track=track)
    return rows


def _disk_need(archives: Iterable[Mapping[str, str]], stored: Path) -> str:
    """What the archives not yet here take; raises WstalError if the disk has less."""
    sizes = {e["file"]: size_of(e["url"]) for e in archives if not (stored / e["file"]).exists()}
    for name in sizes:
        part = stored / f"{name}.part"
        sizes[name] -= part.stat().st_size if part.exists() else 0
    need = sum(sizes.values())
    stored.mkdir(parents=True, exist_ok=True)
    free = disk_usage(stored).free
    each = ", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in sizes.items()) or "none"
    text = (
        f"To download: {each}; {need / 1e9:.1f} GB, and then room for the videos taken out of "
        f"them. Free at {stored}: {free / 1e9:.1f} GB."
    )
    if need > free:
        raise WstalError(f"{text} That does not fit; link {stored} to a larger disk")
    return text
