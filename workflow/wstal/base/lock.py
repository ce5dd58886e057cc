"""One process at a time: a lock file that ends with the process that holds it.

The file system's own lock (flock) is used where there is one: the system ends it when the process
ends, however that happens. Elsewhere, as on some network mounts, the file itself is the lock, a
lease: its holder renews it, and one of a process that is gone, or that was not renewed for EXPIRY
seconds, is taken over.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NoReturn

from wstal.base.errors import WstalError
from wstal.base.process import ELSEWHERE, RUNS, read_process, this_process

EXPIRY = 300.0  # seconds after which a lease of another machine is void unless it is renewed
RENEWAL = 30.0  # seconds between two renewals
SETTLING = 0.5  # seconds after which a lease that was taken over must still be one's own
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO)


@contextmanager
def only_process(path: str | Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; nobody else holds it then.

    Raises WstalError, which says who does `what`, if another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            file.seek(0)
            _refuse(path, what, file.read())
    except OSError as error:
        file.close()
        if error.errno not in _NO_LOCKS:
            raise
        with _lease(path, what):
            yield
        return
    with file:
        if not _is_same(file, path):  # its holder has ended meanwhile, and removed it
            _refuse(path, what, "")
        file.truncate(0)
        file.write(_signature())
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _open(path: Path) -> IO[str]:
    return path.open("a+", encoding="utf-8")


def _is_same(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _signature() -> str:
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    about = {"process": str(this_process()), "host": platform.node(), "since": started}
    return json.dumps({**about, "lease": uuid.uuid4().hex}) + "\n"


def _refuse(path: Path, what: str, text: str) -> NoReturn:
    about = _read(text)
    process = read_process(about.get("process", ""))
    who = f"process {process.number} on {about['host']}" if process else "another process"
    since = f" since {about['since']}" if process else ""
    raise WstalError(
        f"{who} {what}{since} ({path}). Wait until it has ended, or end it, then run again"
    )


def _read(text: str) -> dict[str, str]:
    with suppress(ValueError):
        if isinstance(about := json.loads(text), dict):
            return about
    return {}


@contextmanager
def _lease(path: Path, what: str) -> Iterator[None]:
    """Hold `path` as a lease: a file that is its holder's as long as it has the holder's text."""
    own = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}")
    signature = _signature()
    try:
        own.write_text(signature, encoding="utf-8")
        if path.stat().st_size and _is_held(path, now=own.stat().st_mtime):
            _refuse(path, what, path.read_text(encoding="utf-8"))
        own.replace(path)
    finally:
        own.unlink(missing_ok=True)
    time.sleep(SETTLING)  # of two that take over at once, the later one holds it
    if path.read_text(encoding="utf-8") != signature:
        _refuse(path, what, path.read_text(encoding="utf-8"))
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        path.unlink(missing_ok=True)


def _is_held(path: Path, now: float) -> bool:
    """Whether a lease is valid; `now` is by the clock of the file system, which may differ."""
    process = read_process(_read(path.read_text(encoding="utf-8")).get("process", ""))
    state = process.state() if process else ELSEWHERE
    return state == RUNS or (state == ELSEWHERE and now - path.stat().st_mtime < EXPIRY)


def _renew(path: Path, ended: threading.Event) -> None:
    while not ended.wait(RENEWAL):
        with suppress(OSError):
            os.utime(path)
