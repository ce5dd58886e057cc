"""Checkpoints: tensors and plain types only, whole or absent, equal bytes for equal content."""

from __future__ import annotations

import pickle
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

import wstal
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.base.torch_files import check_torch_file, load_reason

FORMAT = "wstal-checkpoint-1"
_DAMAGED = (OSError, RuntimeError, EOFError, LookupError, ValueError, AttributeError, TypeError)


def versions() -> dict[str, str]:
    """Return the versions that a run is computed with."""
    return {
        "wstal": wstal.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a subclass of str otherwise
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }


def save(path: str | Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically.

    It goes through an open file: given a name, torch writes the name into the archive, and equal
    runs differ.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(_canonical({"format": FORMAT, **content}), file)


def _canonical(value: Any) -> Any:
    """The same content as new plain containers and one object per text.

    A pickle shows which of its objects were one, and a resumed run loads what others create.
    """
    if isinstance(value, str):
        return sys.intern(str(value))
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_canonical(item) for item in value)
    return value


def load(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint; raises WstalError if the file is not one of this project's.

    Every tensor is on the CPU, where the states of random generators must be; networks and
    optimizers copy theirs to where their parameters are.
    """
    try:
        check_torch_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (*_DAMAGED, pickle.UnpicklingError) as error:
        raise WstalError(f"{path} is not a readable checkpoint: {load_reason(error)}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WstalError(f"{path} is not a checkpoint of this project; train the run again")
    return content
