"""Files of torch.save read without running code: tensors, arrays and plain types, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from wstal.errors import WstalError

_RECONSTRUCT = np.zeros(1).__reduce__()[0]
_NUMERIC = [np.dtype(kind) for kind in "?bBhHiIlLqQefd"]
# What a numeric array is pickled as, under the names of numpy 1 and 2; object arrays are none.
_ARRAYS = [
    np.ndarray,
    np.dtype,
    _RECONSTRUCT,
    (_RECONSTRUCT, "numpy.core.multiarray._reconstruct"),
    *{type(kind) for kind in _NUMERIC},
]


def read_plain(path: str | Path) -> Any:
    """What was saved at `path`, on the CPU.

    Raises WstalError if the file is absent, damaged, or holds anything that reading would have
    to call.
    """
    try:
        with torch.serialization.safe_globals(_ARRAYS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WstalError(f"there is no file {path}") from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise WstalError(f"{path} is not a readable torch file: {error}") from error
    except Exception as error:  # pickle.UnpicklingError and what a damaged file may raise
        reason = str(error).split("WeightsUnpickler error: ")[-1].split(" Please ")[0]
        raise WstalError(f"{path} holds other things than tensors and arrays: {reason}") from error
