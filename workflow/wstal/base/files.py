"""Files: atomic writes, tables, JSON that saves work.

A file is written under a temporary name, flushed to the disk, then renamed: a reader finds the old
file or the complete new one, also after a power cut. Cached JSON may be lost (an absent, empty or
unwritable file is never an error), and is never stale: its name or its content holds the key of
what it was made from.
"""

from __future__ import annotations

import csv
import errno
import io
import itertools
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from wstal.base.errors import DiskFullError, WstalError
from wstal.base.process import is_running, this_machine

if TYPE_CHECKING:
    import pandas as pd

# The last but one part names the process that writes the file: machine, number, count.
_TEMPORARY = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})(?P<number>[0-9a-f]{6})[0-9a-f]{4}(\.\w+)?")
_counts = itertools.count()
_cleaned: set[Path] = set()  # folders in which this process has looked for temporary files
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_TEXTS = ("No space left", "Disk quota exceeded")  # of HDF5, which may hide the number
MIN_FREE = "WSTAL_MIN_FREE"  # bytes of the disk that jobs leave free, from `min_free`
# What a file system says that cannot flush a folder: some network and FUSE mounts.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EISDIR)


@contextmanager
def atomic_path(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it if the block succeeds.

    Parent folders are created. On any exception the temporary file is removed and `path` stays
    unchanged. The suffix is the same, for writers that choose a format by it. Without `durable`,
    a power cut within about 30 s may leave an empty file: for caches that can be made again.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _require_space(path)
    if path.parent not in _cleaned:
        remove_left_over(path.parent)
    writer = f"{this_machine()}{os.getpid():06x}{next(_counts) % 0x10000:04x}"
    temporary = path.with_name(f".{path.stem}.{writer}{path.suffix}")
    try:
        with _raise_full_disk():
            yield temporary
        if durable:
            replace_durably(temporary, path)
        else:
            temporary.replace(path)
    except Exception as error:
        if _is_full(error):
            raise DiskFullError(_full(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _raise_full_disk() -> Iterator[None]:
    """Raise at the end of the block what HDF5 met while it freed an object, which Python drops.

    Without this, a file that the disk did not take would get its name.
    """
    dropped: list[BaseException] = []
    hooks = sys.excepthook, sys.unraisablehook  # Cython reports such an error to both

    def excepthook(kind: type, error: BaseException, traceback: Any) -> None:
        if not _is_full(error):
            hooks[0](kind, error, traceback)

    def unraisablehook(unraisable: Any) -> None:
        if _is_full(unraisable.exc_value):
            dropped.append(unraisable.exc_value)
        else:
            hooks[1](unraisable)

    sys.excepthook, sys.unraisablehook = excepthook, unraisablehook
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = hooks
    if dropped:
        raise OSError(errno.ENOSPC, str(dropped[0]))


def _require_space(path: Path) -> None:
    """Keep some of the disk free, so that logs, messages and other programs are not cut off."""
    kept = float(os.environ.get(MIN_FREE, 0))
    if kept and shutil.disk_usage(path.parent).free < kept:
        raise DiskFullError(f"{_full(path)}. `min_free` keeps {kept / 1e9:g} GB")


def _full(path: Path) -> str:
    free = shutil.disk_usage(path.parent).free
    return (
        f"{path}: the disk is full ({free / 1e6:,.0f} MB free). What is finished is kept: free "
        "space and run the same command again"
    )


def _is_full(error: BaseException | None) -> bool:
    """Return whether a writer failed for want of space: its own error, or one that led to it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(text in str(error) for text in _FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def replace_durably(part: Path, path: Path) -> None:
    """Rename the complete file `part` to `path`, in the same folder.

    The bytes are on the disk before the new name is: otherwise a file system may keep the name
    and lose the bytes in a power cut. Raises OSError if the disk does not take them.
    """
    _flush(part)
    part.replace(path)
    try:
        _flush(path.parent)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _flush(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def copy_file(source: str | Path, path: str | Path) -> None:
    """Copy the content of `source` to `path` atomically."""
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)


def remove_left_over(folder: str | Path, age: float = 86400) -> None:
    """Remove temporary files of killed writers in `folder`.

    Those of this machine go as soon as their process is gone. Others, of a machine whose processes
    cannot be seen from here, go once they are unchanged for `age` seconds. Each process
    looks into a folder before its first write there.
    """
    _cleaned.add(Path(folder))
    with suppress(OSError):
        for path in [Path(entry) for entry in os.scandir(folder) if entry.name[0] == "."]:
            if (match := _TEMPORARY.fullmatch(path.name)) and _is_left_over(path, match, age):
                path.unlink(missing_ok=True)


def _is_left_over(path: Path, match: re.Match[str], age: float) -> bool:
    if match["machine"] == this_machine() and not is_running(int(match["number"], 16)):
        return True
    return time.time() - path.stat().st_mtime > age


def write_text(path: str | Path, text: str, *, durable: bool = True) -> None:
    """Write UTF-8 `text` to `path` atomically; `durable` as in `atomic_path`."""
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any, *, indent: int | None = 1) -> None:
    """Write `value` as JSON atomically; NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False) + "\n")


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# What spreadsheets run as a formula when they open a CSV file; a name as `-dQw4w9` is none.
_FORMULA = re.compile(r"'*([=@\t\r]|[+-][^(|!]*[(|!])")


def sheet_text(value: Any) -> Any:
    """Return a cell for a CSV file: text that a spreadsheet would run gets a `'` in front."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def from_sheet(text: str) -> str:
    """Return the text that `sheet_text` made a cell of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write dictionaries as CSV atomically; a key outside `columns` raises ValueError.

    Cells are as of `sheet_text`; the readers below give back what was written.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: sheet_text(row[name]) for name in row} for row in rows)


def write_frame(path: str | Path, frame: pd.DataFrame, float_format: str | None = None) -> None:
    """Write `frame` without its index to `path` atomically; cells are as of `sheet_text`."""
    frame = _map_texts(frame, sheet_text)
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=float_format)


def read_table(
    path: str | Path, columns: Iterable[str], key: str | None = "id"
) -> list[dict[str, str]]:
    """Return the rows of a table that this project wrote, by column.

    Raises WstalError that names the file, and the line or id, if it is not whole: a column of
    `columns` is missing, a row has more or fewer cells than the header, the last line does not
    end, or `key` (None: there is none) is empty or repeated.
    """
    header, lines = _read_cells(path, columns)
    lines = [(line, [from_sheet(cell) for cell in cells]) for line, cells in lines]
    seen: set[str] = set()
    rows = []
    for line, cells in lines:
        rows.append(dict(zip(header, cells, strict=True)))
        if key is not None:
            if (name := rows[-1][key]) in seen or not name:
                problem = f"{key} {name!r} is repeated" if name else f"{key} is empty"
                raise WstalError(f"{path}, line {line}: {problem}; {_REMEDY}")
            seen.add(name)
    return rows


_REMEDY = "the file is damaged or cut short: remove it and run again"


def _read_cells(
    path: str | Path, columns: Iterable[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a CSV file, and (line, cells) of each row, as many as in the header."""
    try:
        text = Path(path).read_bytes().decode()
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, ValueError, csv.Error) as error:
        raise WstalError(f"{path} is not a CSV table ({error}); {_REMEDY}") from error
    header = lines[0][1] if lines else []
    if absent := [name for name in columns if name not in header]:
        raise WstalError(
            f"{path} has no column {', '.join(absent)} in its first line "
            f"({','.join(header) or 'it is empty'}); {_REMEDY}"
        )
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            counts = f"{len(cells)} cells in {len(header)} columns"
            raise WstalError(f"{path}, line {line}: {counts}; {_REMEDY}")
    if text and not text.endswith("\n"):
        raise WstalError(f"{path}, line {lines[-1][0]}: the line does not end; {_REMEDY}")
    return header, lines[1:]


def require_ids(path: str | Path, ids: Collection[str], expected: Iterable[str]) -> None:
    """Raise WstalError that names `path` and the first ids of `expected` that it has no row for."""
    if absent := [name for name in expected if name not in ids]:
        shown = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
        raise WstalError(
            f"{path} has no row for {len(absent)} of the videos that it should list ({shown}); "
            f"{_REMEDY}"
        )


def read_frame(path: str | Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV file with a header; raise WstalError as `read_table`."""
    import pandas as pd  # slow to import, and most importers of this module read no table

    _read_cells(path, columns)
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' own are ValueErrors
        raise WstalError(f"{path} is not a CSV table ({error}); {_REMEDY}") from error
    return _map_texts(frame, from_sheet)


def _map_texts(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a frame with `change` of its texts; a column without one that changes stays."""
    result = frame
    for place in range(frame.shape[1]):
        values = list(frame.iloc[:, place]) if frame.dtypes.iloc[place].kind not in "biuf" else []
        texts = [change(value) if isinstance(value, str) else value for value in values]
        if any(isinstance(old, str) and old != new for old, new in zip(values, texts, strict=True)):
            result = result.copy() if result is frame else result
            result.isetitem(place, texts)
    return result


def stored_path(path: str | Path) -> str:
    """Return an absolute path as text for tables and attributes; see `path_from`.

    A path that is not UTF-8, which no table can hold, is written as a `file:` URI.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return str(path)


def path_from(text: str) -> Path:
    """Return the path that `stored_path` wrote."""
    coded = text.startswith("file:///")
    return Path(os.fsdecode(unquote_to_bytes(text.removeprefix("file://"))) if coded else text)


def read_cached(path: Path | None) -> Any:
    """Return the JSON value in a file; None if there is none that can be read."""
    if path is not None:
        with suppress(OSError, ValueError):
            return json.loads(path.read_bytes())
    return None


def write_cached(path: Path | None, value: Any) -> None:
    """Write `value` atomically, if the folder is writable and JSON gives the same value back."""
    if path is None:
        return
    with suppress(OSError, TypeError, ValueError, DiskFullError):
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if json.loads(text) == value:
            write_text(path, text, durable=False)


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the newest `count` JSON files of a cache."""
    with suppress(OSError):
        files = sorted(folder.glob("[!.]*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[: max(len(files) - count, 0)]:
            path.unlink(missing_ok=True)
