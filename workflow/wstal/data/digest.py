"""One short text that stands for the data a run was given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


def data_digest(parts: Iterable[str | np.ndarray]) -> str:
    """SHA-256 of texts and arrays in order; an array counts with its type and shape."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            head, body = f"text {len(part)}", part.encode()
        else:
            head, body = f"{part.dtype.str} {part.shape}", np.ascontiguousarray(part).data
        digest.update(f"\n{head}\n".encode())
        digest.update(body)
    return digest.hexdigest()
