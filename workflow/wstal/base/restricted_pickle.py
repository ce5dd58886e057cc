"""Arrays with pickled content, read without running the code in them.

A pickle is a program. `read_object_array` reads the object arrays in which published annotation
sets keep lists of unequal length (.npy): it allows the few steps that rebuild numpy arrays and
plain Python values, none of which calls numpy, and refuses any other file before its first step.
"""

from __future__ import annotations

import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wstal.base.errors import WstalError
from wstal.base.user_files import open_regular

MAX_BYTES = 64 << 20  # the largest published file has 170 kB
MAX_VALUES = 5_000_000
MAX_DEPTH = 8  # of nested lists
_ARRAY_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
# Steps that push values, build containers or fill one of the stand-ins below.
_STEPS = """
PROTO STOP FRAME MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG
LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE
SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2
TUPLE3 EMPTY_LIST LIST APPEND APPENDS PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
GLOBAL STACK_GLOBAL REDUCE BUILD
"""


def read_object_array(
    path: str | Path, *, max_bytes: int | None = None, arrays: bool = False
) -> np.ndarray:
    """Return the array in a .npy file; elements of an object array are plain values and lists.

    Byte strings become str. With `arrays`, an element that is an array of numbers stays one
    (read-only). Raises WstalError if the file is missing, larger than `max_bytes` (default
    MAX_BYTES), damaged, or contains anything but numpy arrays and plain values.
    """
    path, limit = Path(path), MAX_BYTES if max_bytes is None else max_bytes
    try:
        size = path.stat().st_size
        if size > limit:
            raise WstalError(f"{path} is larger than {limit >> 20} MiB, the limit for such files")
        with open_regular(path) as file:
            header = _header(file)
            if header[2].hasobject:
                return _unpickled(file, header, arrays)
            if math.prod(header[0]) * header[2].itemsize != size - file.tell():
                raise ValueError("its length does not agree with its header")
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, MemoryError) as error:
        raise WstalError(f"{path} is not a readable .npy file: {error}") from error
    except (pickle.UnpicklingError, TypeError, LookupError, AttributeError) as error:
        raise WstalError(
            f"{path} is refused: {error}; only arrays of numbers, strings and lists are read. "
            "Fetch the file again from its publisher"
        ) from error


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _unpickled(
    file: BinaryIO, header: tuple[tuple[int, ...], bool, np.dtype], arrays: bool
) -> np.ndarray:
    start = file.tell()
    _check_steps(file)
    file.seek(start)
    loaded = _Plain(file).load()
    found = loaded.array() if isinstance(loaded, _Array) else None
    if found is None or found.shape != header[0]:
        raise pickle.UnpicklingError("its shape does not agree with its header")
    budget = [MAX_VALUES]
    flat = np.empty(found.size, dtype=object)
    for index, value in enumerate(found.ravel()):
        flat[index] = _plain(value, budget, MAX_DEPTH, arrays)
    return flat.reshape(found.shape)


def _check_steps(file: BinaryIO) -> None:
    """Raise UnpicklingError, before any step runs, for a pickle with a step outside the list."""
    allowed = set(_STEPS.split())
    for count, (step, argument, _) in enumerate(pickletools.genops(file)):
        if step.name not in allowed:
            raise pickle.UnpicklingError(f"it contains the step {step.name}")
        # An index far beyond the steps so far makes the reader allocate without limit.
        if step.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > count:
            raise pickle.UnpicklingError("it numbers its values out of order")


def _plain(value: Any, budget: list[int], depth: int, arrays: bool) -> Any:
    """Return `value` with stand-ins replaced; bounded, so that self-references end."""
    budget[0] -= 1
    if budget[0] < 0 or depth < 0:
        raise pickle.UnpicklingError("it contains too many or too deeply nested values")
    if isinstance(value, _Array):
        value = value.array()
        if arrays and value.dtype.kind in "biuf":
            return value
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item, budget, depth - 1, arrays) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise pickle.UnpicklingError(f"it contains a {type(value).__name__}")


class _Plain(pickle.Unpickler):
    """An unpickler that knows only numpy's names, and replaces them by the stand-ins below."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        stand_ins = {
            "_reconstruct": _Array,
            "ndarray": None,  # only ever an argument; calling it fails
            "dtype": _Type,
            "scalar": _scalar,
        }
        if module in _ARRAY_MODULES and name in stand_ins:
            return _Maker(stand_ins[name])
        if (module, name) == ("_codecs", "encode"):
            return _Maker(_encoded)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


class _Maker:
    """What a name in the file means: it can be called, but not changed."""

    __slots__ = ("make",)

    def __init__(self, make: Callable | None) -> None:
        self.make = make

    def __call__(self, *arguments: Any) -> Any:
        return self.make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes what a name means")


class _Type:
    """A number type by its code, such as f8 or S24."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1] if state[1] in ("<", ">", "=") else "="

    def numpy(self) -> np.dtype:
        found = np.dtype(str(self.code))
        if found.kind not in "biufSU":
            raise pickle.UnpicklingError(f"it contains values of type {found}")
        return found.newbyteorder(self.order)


class _Array:
    """An array whose content is checked against its shape before anything is allocated."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple = ()
        self.numbers: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """Return the array; elements of an object array may still be stand-ins."""
        if self.numbers is not None:
            return self.numbers
        _, shape, kind, fortran, content = self.state
        shape = tuple(int(length) for length in shape)
        if kind.code.startswith("O"):
            if not isinstance(content, list) or len(content) != math.prod(shape):
                raise pickle.UnpicklingError("an array's length does not agree with its shape")
            flat = np.empty(len(content), dtype=object)
            for index, value in enumerate(content):
                flat[index] = value
            return flat.reshape(shape, order="F" if fortran else "C")
        content = content.encode("latin1") if isinstance(content, str) else content
        if len(content) != math.prod(shape) * kind.numpy().itemsize:
            raise pickle.UnpicklingError("an array's length does not agree with its shape")
        flat = np.frombuffer(content, kind.numpy())
        self.numbers = flat.reshape(shape, order="F" if fortran else "C")
        self.state = ()  # so that a feature file is in memory once, not twice
        return self.numbers


def _scalar(kind: _Type, content: bytes | str = b"") -> Any:
    content = content.encode("latin1") if isinstance(content, str) else content
    if len(content) != kind.numpy().itemsize:
        raise pickle.UnpicklingError("a number's length does not agree with its type")
    return np.frombuffer(content, kind.numpy())[0].item()


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the text encoding {encoding}")
    return text.encode("latin1")
