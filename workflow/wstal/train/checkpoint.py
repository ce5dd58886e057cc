"""Checkpoints: tensors and plain types only, whole or absent, equal bytes for equal content."""

from __future__ import annotations

import pickle
import platform
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

import wstal
from wstal.atomic import atomic_path
from wstal.errors import WstalError

FORMAT = "wstal-checkpoint-1"


def versions() -> dict[str, str]:
    """What the run was computed with."""
    return {
        "wstal": wstal.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a subclass of str otherwise
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }


def save(path: str | Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically.

    It goes through an open file, not a name: torch would write the name into the archive and
    equal runs would differ.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)


def load(path: str | Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint; raises WstalError if the file is not one of this project's."""
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise WstalError(f"{path} is not a readable checkpoint: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WstalError(f"{path} is not a checkpoint of this project; train the run again")
    return content
