"""Files of torch.save, read without running the code in them: tensors, arrays and plain values."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wstal.base.errors import WstalError
from wstal.base.user_files import check_archive, check_regular

_RECONSTRUCT = np.zeros(1).__reduce__()[0]
_NUMERIC = [np.dtype(kind) for kind in "?bBhHiIlLqQefd"]
# What a numeric array is pickled as, under the names of numpy 1 and 2; object arrays are not read.
_ARRAYS = [
    np.ndarray,
    np.dtype,
    _RECONSTRUCT,
    (_RECONSTRUCT, "numpy.core.multiarray._reconstruct"),
    *{type(kind) for kind in _NUMERIC},
]


class Inert:
    """Stand-in for an object that is not read: it takes any arguments and does nothing."""

    def __new__(cls, *_: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_plain(path: str | Path, *, others_inert: bool = False) -> Any:
    """Return what torch.save wrote to `path`, on the CPU: tensors, numeric arrays, plain values.

    With `others_inert`, other objects become `Inert`: for a file with arrays beside objects of
    libraries that are not installed. Raises WstalError if the file is missing, damaged, or
    contains anything else.
    """
    try:
        check_torch_file(path)
        allowed = list(_ARRAYS)
        if others_inert:
            with torch.serialization.safe_globals(_ARRAYS):
                others = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            allowed += [(Inert, name) for name in others]
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WstalError(f"the file {path} is missing") from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise WstalError(f"{path} is not a readable torch file: {load_reason(error)}") from error
    except WstalError:
        raise
    except Exception as error:  # pickle.UnpicklingError and what a damaged file may raise
        reason = load_reason(error)
        raise WstalError(
            f"{path} contains objects other than tensors and arrays: {reason}"
        ) from error


def check_torch_file(path: str | Path) -> None:
    """Raise WstalError for what is no regular file, or a zip (as torch.save writes) that is a bomb.

    Raises OSError if the file is missing.
    """
    if zipfile.is_zipfile(check_regular(path)):
        check_archive(path)


# Where torch's advice begins to load the file without the checks, which would run code in it.
_ADVICE = re.compile(
    r"\s*(?:Please |In PyTorch |This file can still|Re-running |Check the docum|\(1\))"
)


def load_reason(error: Exception) -> str:
    """Return why torch.load refused a file, without torch's advice to load it unsafely."""
    text = str(error).split("WeightsUnpickler error: ")[-1]
    text = text.replace("``weights_only=True`` with ", "")
    return _ADVICE.split(text)[0].strip(" .:\n") or type(error).__name__
