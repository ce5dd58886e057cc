"""JSON, CSV and plain text that users supply, in whatever way an editor or spreadsheet saved them.

Read are UTF-8, UTF-16 and UTF-32 with or without a byte order mark, every kind of line end, gzip
(JSON), and CSV whose cells commas, semicolons or tabs separate. Everything else is refused by
WstalError that names the file, the line, and what the file seems to be: a guessed encoding would
silently change names. All text is in composed Unicode (NFC), as one word may be encoded in two
ways.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.base.user_files import MOST_EXPANSION, SMALL, check_expansion, open_regular

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
DELIMITERS = ",;\t"  # between cells; spreadsheets write ; if decimals have a comma


def read_text(path: str | Path, expected: str = "text", errors: str = "strict") -> str:
    """Return the text of a file; lines end with `\\n`.

    `expected` says in errors what the file should be. Raises WstalError that names the file, the
    line and the encoding if it cannot be read; `errors="replace"` is as in `bytes.decode`.
    """
    return decode_text(_read_bytes(path, expected), path, expected, errors)


def decode_text(
    data: bytes, source: str | Path, expected: str = "text", errors: str = "strict"
) -> str:
    """Return the text in `data`, which was found in `source`; see `read_text`."""
    mark = next((mark for mark in BYTE_ORDER_MARKS if data.startswith(mark)), b"")
    # Only ASCII text in two or four bytes a letter begins with a zero byte in these places.
    encoding = BYTE_ORDER_MARKS[mark] if mark else json.detect_encoding(data[:4])
    body = data[len(mark) :]
    try:
        text = body.decode(encoding, errors)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise WstalError(
            f"{source}, line {line}: not {encoding.upper()} ({_guess_kind(data, body, error)}); "
            f"expected {expected}, so save it as UTF-8"
        ) from error
    if "\0" in text and errors == "strict":
        line = text[: text.index("\0")].count("\n") + 1
        raise WstalError(f"{source}, line {line}: a zero byte; expected {expected}")
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def _guess_kind(data: bytes, body: bytes, error: UnicodeDecodeError) -> str:
    if data[:4] == b"PK\x03\x04":
        return "it is a zip archive or a spreadsheet's own file"
    byte = f"byte 0x{body[error.start]:02x}"
    if error.encoding == "utf-8" and b"\0" not in data:
        return f"{byte}, as Windows-1252 or Latin-1 text has"
    return byte


def _read_bytes(path: str | Path, expected: str) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except OSError as error:
        raise WstalError(
            f"{path} cannot be read ({error.strerror}); expected {expected}"
        ) from error


def read_json(path: str | Path, expected: str = "JSON") -> Any:
    """Return the value in a JSON file, plain or gzipped.

    Raises WstalError that names the file and the line for what is not JSON, a key that an object
    repeats (of two entries of one video the first would be lost), and half a surrogate pair.
    """
    data = _read_bytes(path, expected)
    if data[:2] == b"\x1f\x8b":
        try:
            limit = max(SMALL, MOST_EXPANSION * len(data))
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                unpacked = file.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise WstalError(f"{path} is not complete gzip ({error}); get it again") from error
        check_expansion(path, len(unpacked), len(data))
        data = unpacked
    return parse_json(decode_text(data, path, expected), path, expected)


def parse_json(text: str, source: str | Path, expected: str = "JSON") -> Any:
    """Return the value of JSON text that was found in `source`; see `read_json`."""

    def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return _unique(pairs, source)

    try:
        value = json.loads(text, object_pairs_hook=make_object)
    except json.JSONDecodeError as error:
        before, after = text[: error.pos + 1].rstrip("]} \n\t"), text[error.pos :].lstrip(", \n\t")
        if not text.strip():
            problem = "it is empty"
        elif before.endswith(",") and after[:1] in ("]", "}"):
            problem = "remove the comma before the closing bracket"
        elif error.pos >= len(text.rstrip()):
            problem = "it ends too early, is the file complete?"
        else:
            problem = f"{error.msg}, column {error.colno}"
        raise WstalError(
            f"{source} is not JSON, line {error.lineno} ({problem}); expected {expected}"
        ) from error
    except RecursionError as error:
        raise WstalError(f"{source} is not JSON of this kind: too many nested brackets") from error
    return _composed(value, source) if "\\u" in text else value


def _composed(value: Any, source: str | Path) -> Any:
    """`value` with names in composed Unicode, for text with escapes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise WstalError(f"{source}: {value!r} has half of a surrogate pair") from error
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_composed(each, source) for each in value]
    if isinstance(value, dict):
        pairs = [(_composed(name, source), _composed(each, source)) for name, each in value.items()]
        return _unique(pairs, source)
    return value


def _unique(pairs: list[tuple[str, Any]], source: str | Path) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise WstalError(
            f"{source}: the key {twice!r} is repeated in one object; keep one, or join them"
        )
    return found


@dataclass(frozen=True)
class Row:
    """One row of a CSV file that is not empty."""

    line: int  # where the row begins, from 1; its quoted cells may go over several lines
    cells: dict[str, str]  # by column; "" where the row is shorter than the header

    def __getitem__(self, column: str) -> str:
        """Return a cell."""
        return self.cells[column]


def read_rows(
    path: str | Path,
    columns: Sequence[str],
    numbers: Collection[str] = (),
    expected: str = "a CSV file",
) -> Iterator[Row]:
    """Yield the rows of a CSV file with a header.

    The header, which needs `columns`, also shows what separates cells. In the columns `numbers` a
    comma is a decimal point, unless commas separate the cells. Empty rows and surplus empty cells,
    as spreadsheets write, are passed over. Raises WstalError that names the file and the line for
    a missing or repeated column, text beyond the columns, and an open quote.
    """
    expected += f" with the columns {','.join(columns)}"
    text = read_text(path, expected)
    body = text.lstrip("\n")
    number = len(text) - len(body)  # lines before the one that is read next
    first, _, rest = body.partition("\n")
    delimiter = max(DELIMITERS, key=first.count)
    if first.lower() in {f"sep={each}" for each in DELIMITERS}:  # as Excel writes and reads it
        delimiter, body, number = first[-1], rest, number + 1
    reader = csv.reader(
        io.StringIO(body, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    begin, header = number + 1, None
    try:
        for values in reader:
            line, begin = begin, number + reader.line_num + 1
            if header is None:
                header = _check_header(
                    [name.strip() for name in values], path, line, columns, expected
                )
            elif any(value.strip() for value in values):
                if surplus := "".join(values[len(header) :]).strip():
                    raise WstalError(
                        f"{path}, line {line}: there are more cells than columns, and "
                        f"{surplus!r} is in none; join labels by ;, and put a name or label that "
                        f"contains {delimiter!r} in double quotes"
                    )
                values += [""] * (len(header) - len(values))
                cells = dict(zip(header, values, strict=False))
                if delimiter != ",":
                    cells |= {name: cells[name].replace(",", ".") for name in numbers}
                yield Row(line, cells)
    except csv.Error as error:
        raise WstalError(
            f"{path}, line {begin}: {error}; is a double quote left open, or does text follow a "
            "closing one?"
        ) from error
    if header is None:
        _check_header([], path, 1, columns, expected)


def _check_header(
    header: list[str], path: str | Path, line: int, columns: Sequence[str], expected: str
) -> list[str]:
    while header and not header[-1]:
        header.pop()
    if absent := [name for name in columns if name not in header]:
        problem = f"columns {absent} are missing from its first line {header}"
        raise WstalError(f"{path}: {problem}; expected {expected}")
    if twice := [name for name in columns if header.count(name) > 1]:
        raise WstalError(f"{path}, line {line}: the column {twice[0]!r} is repeated; keep one")
    return header


# Values in them. JSON and CSV have no types of their own: a text is a list of its letters, NaN is a
# number, and what is misread here would be a class, or a time, in every number that follows.

LONGEST = 1e6  # seconds, 11 days; a larger time is in another unit
FORM = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"  # float() also takes 1_0, nan and inf


def read_seconds(value: Any, what: str, least: float = 0.0) -> float:
    """Return a time: a number, or the text of one, from `least` to LONGEST.

    Raises WstalError that begins with `what` (file, row, key) and has the value and the remedy.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_number |= isinstance(value, str) and bool(re.fullmatch(FORM, value, re.ASCII))
    if is_number and least <= float(value) <= LONGEST:
        return float(value)
    raise WstalError(
        f"{what} is {value!r}; expected seconds from {least:g} to {LONGEST:,.0f}, for example 12.48"
    )


def read_segment(value: Any, what: str) -> list[float]:
    """Return start and end of a segment, in seconds; raise WstalError as `read_seconds`."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise WstalError(f"{what} is {value!r}; expected two times in seconds: [start, end]")
    start, end = (read_seconds(each, what) for each in value)
    if start >= end:
        raise WstalError(f"{what}: {start:g} to {end:g} s is empty or inverted; correct it")
    return [start, end]


def read_name(value: Any, what: str) -> str:
    """Return the name of a class, a text or an integer, without spaces around it.

    Raises WstalError that begins with `what` for an empty name and for another type.
    """
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        return str(value).strip()
    raise WstalError(f"{what} is {value!r}; expected the name of a class")


def read_names(value: Any, what: str) -> list[str]:
    """Return a list of names of classes; raise WstalError as `read_name`, or if it is no list."""
    if not isinstance(value, list):
        hint = f": [{json.dumps(value)}]" if isinstance(value, str) else ""
        raise WstalError(f"{what} is {value!r}; expected a list of names{hint}")
    return [read_name(each, f"{what}[{place}]") for place, each in enumerate(value)]
